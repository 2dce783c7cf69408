//! The colours of users. Which one a user has follows from the user id alone, so all clients agree.
use herenow_core::profile::Profile;

/// Colours by [`Profile::color`]: told apart at a glance, and white text on each has a contrast of at least 4.5 to 1.
pub const COLORS: [&str; Profile::COLORS as usize] = [
    "#c8102e", "#b84a00", "#806000", "#4d7400", "#00803a", "#007a78", "#0b4f6c", "#0a6fd1", "#252a8f", "#8a3fe0",
    "#c4128f", "#6b4235",
];

/// The colour of a user, as `#rrggbb`.
pub fn color(profile: &Profile) -> &'static str {
    // `Profile::color` is below `Profile::COLORS`, the length of the palette.
    COLORS[usize::from(profile.color()) % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::COLORS;

    fn linear(color: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let part = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn luminance([r, g, b]: [f64; 3]) -> f64 {
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// CIE L*a*b*, in which distance is about how different two colours look.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let [r, g, b] = rgb;
        let bend = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = bend((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47);
        let y = bend(luminance(rgb));
        let z = bend((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn white_text_is_readable_on_each() {
        for color in COLORS {
            let contrast = 1.05 / (luminance(linear(color)) + 0.05);
            assert!(contrast >= 4.5, "{color} has {contrast:.2}");
        }
    }

    #[test]
    fn no_two_look_alike() {
        for (at, one) in COLORS.iter().enumerate() {
            for other in &COLORS[..at] {
                let (a, b) = (lab(linear(one)), lab(linear(other)));
                let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance >= 25.0, "{one} and {other} are {distance:.1} apart");
            }
        }
    }
}
