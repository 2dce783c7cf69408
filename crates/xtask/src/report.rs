//! What a check found.
use std::fmt;

/// The outcome of one check. It prints as a line of what was looked at, then one line for each finding.
pub(crate) struct Report {
    name: &'static str,
    checked: String,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

struct Finding {
    place: Place,
    text: String,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The path of a file, from the root of the repository.
    pub(crate) path: String,
    /// The line, from 1; 0 for the file as a whole.
    pub(crate) line: usize,
}

impl Report {
    /// An empty report of the check `name`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, checked: String::new(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Adds something that fails the check.
    pub(crate) fn error(&mut self, place: Place, text: impl Into<String>) {
        self.errors.push(Finding { place, text: text.into() });
    }

    /// Adds something worth a look.
    pub(crate) fn warning(&mut self, place: Place, text: impl Into<String>) {
        self.warnings.push(Finding { place, text: text.into() });
    }

    /// Says what was looked at, with numbers, so that a check that looked at nothing shows.
    pub(crate) fn checked(mut self, text: impl Into<String>) -> Self {
        self.checked = text.into();
        self
    }

    /// Whether nothing fails the check.
    pub(crate) fn passed(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors, each as it is printed.
    #[cfg(test)]
    pub(crate) fn error_lines(&self) -> Vec<String> {
        self.errors.iter().map(ToString::to_string).collect()
    }

    /// The warnings, each as it is printed.
    #[cfg(test)]
    pub(crate) fn warning_lines(&self) -> Vec<String> {
        self.warnings.iter().map(ToString::to_string).collect()
    }
}

impl Place {
    /// The file as a whole.
    pub(crate) fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), line: 0 }
    }

    /// One line of a file.
    pub(crate) fn line(path: impl Into<String>, line: usize) -> Self {
        Self { path: path.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; ", self.name, self.checked)?;
        write!(formatter, "{} errors, {} warnings", self.errors.len(), self.warnings.len())?;
        for finding in &self.warnings {
            write!(formatter, "\n  warning: {finding}")?;
        }
        for finding in &self.errors {
            write!(formatter, "\n  error: {finding}")?;
        }
        Ok(())
    }
}
