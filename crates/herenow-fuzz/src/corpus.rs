//! Where inputs begin: the frames under `fixtures/`.
use serde_json::Value;
use std::{fs, io, path::Path};

/// Frames as texts, by who says them. Sorted, so that a seed means the same everywhere.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// Good frames of native clients.
    pub native: Vec<String>,
    /// Good frames of board clients.
    pub board: Vec<String>,
    /// Frames of clients that are refused.
    pub bad: Vec<String>,
    /// Frames of servers in the native dialect.
    pub server: Vec<String>,
}

impl Corpus {
    /// Reads a folder `fixtures`.
    ///
    /// # Errors
    /// Where a folder or file cannot be read, or is no fixture.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let texts = |name: &str| texts(&folder.join(name));
        Ok(Self {
            native: texts("native/client")?,
            board: texts("board/client")?,
            bad: texts("bad")?,
            server: texts("native/server")?,
        })
    }

    /// Reads the folder of this repository.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_repository() -> io::Result<Self> {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures"))
    }
}

/// A good fixture holds a `frame`, which may stand in any layout; a bad one the `text` itself.
fn texts(folder: &Path) -> io::Result<Vec<String>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let text = |path: &Path| {
        let fixture: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        match (&fixture["frame"], &fixture["text"]) {
            (Value::Null, Value::String(text)) => Ok(text.clone()),
            (frame, _) => Ok(frame.to_string()),
        }
    };
    paths.iter().map(|path| text(path)).collect()
}
