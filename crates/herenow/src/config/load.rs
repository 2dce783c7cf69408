//! Puts a configuration together: defaults, then a file, then environment variables, then flags; the later wins. What
//! is not known is an error, for a setting that silently does nothing is worse than a server that does not start.
use super::{
    error::{ConfigError, Source},
    key::{Key, SECRET_KEY, SECRET_VARIABLE, VARIABLE_PREFIX},
    keys::KEYS,
    rooms::{Draft, ROOM_KEYS, ROOM_RULES_MAX, RoomKey, SECTION},
    settings::Config,
    values::Raw,
};
use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use strsim::normalized_damerau_levenshtein;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What a configuration is put together from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file, if one is to be read.
    pub file: Option<File>,
    /// Environment variables whose names begin with `HERENOW_`; see [`environment`].
    pub variables: Vec<(String, String)>,
    /// Flags of the command line that set a key.
    pub flags: Vec<Flag>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// The operator named it, so it has to be there.
    Named(PathBuf),
    /// It is read if it is there.
    IfThere(PathBuf),
}

/// A flag that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as it is written: `--listen`.
    pub name: &'static str,
    /// The key that it sets.
    pub key: &'static Key,
    /// The value.
    pub value: String,
}

/// A configuration, and where its values came from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// By the name of the key; what is not in here is a default.
    pub sources: BTreeMap<&'static str, Source>,
    /// The same of each of [`Config::rooms`], in its order.
    pub room_sources: Vec<BTreeMap<&'static str, Source>>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// The environment variables of this process whose names begin with `HERENOW_`.
///
/// # Errors
/// [`ConfigError::NotUnicode`].
pub fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let ours = env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(VARIABLE_PREFIX));
    ours.map(|(name, value)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Ok(name), Err(_)) => Err(ConfigError::NotUnicode { name }),
        (Err(name), _) => Err(ConfigError::NotUnicode { name: name.to_string_lossy().into_owned() }),
    })
    .collect()
}

/// Puts a configuration together.
///
/// # Errors
/// The first thing that is wrong, in the order in which the sources are read.
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigError> {
    let mut loaded = Loaded::default();
    if let Some((path, text)) = inputs.file.as_ref().map(read).transpose()?.flatten() {
        loaded.read_file(path, &text)?;
        loaded.file = Some(path.to_owned());
    }
    let mut variables = inputs.variables.clone();
    variables.sort();
    for (name, value) in variables {
        loaded.read_variable(name, value)?;
    }
    for flag in &inputs.flags {
        loaded.set(flag.key, &Raw::Text(flag.value.clone()), Source::Flag(flag.name))?;
    }
    Ok(loaded)
}

/// Puts a configuration together from the text of a file alone; `path` is what errors call the file, and is not read.
///
/// # Errors
/// The first thing that is wrong.
pub fn load_text(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
    let mut loaded = Loaded::default();
    loaded.read_file(path, text)?;
    Ok(loaded)
}

fn read(file: &File) -> Result<Option<(&Path, String)>, ConfigError> {
    let (File::Named(path) | File::IfThere(path)) = file;
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && matches!(file, File::IfThere(_)) => Ok(None),
        Err(error) => Err(ConfigError::Read { path: path.clone(), cause: Arc::new(error) }),
    }
}

impl Loaded {
    fn set(&mut self, key: &'static Key, raw: &Raw, at: Source) -> Result<(), ConfigError> {
        if let Err(allowed) = key.set(&mut self.config, raw) {
            let value = (!key.is_secret()).then(|| raw.to_string());
            return Err(ConfigError::Value { key: key.name, value, allowed: allowed.into_owned(), at });
        }
        self.sources.insert(key.name, at);
        Ok(())
    }

    fn read_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let file = FileText { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            ConfigError::Syntax { at: file.source(start), message: error.message().trim_end().to_owned() }
        })?;
        self.read_table(&file, "", table.get_ref())
    }

    fn read_table(&mut self, file: &FileText<'_>, prefix: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let at = file.source(key.span().start);
            match (Key::named(&name), value.get_ref()) {
                (Some(key), _) => self.set(key, &file.raw(value), at)?,
                (None, value) if name == SECTION => self.read_rooms(file, value, &at)?,
                (None, DeValue::Table(inner)) if !inner.is_empty() || is_section(&name) => {
                    self.read_table(file, &format!("{name}."), inner)?;
                }
                (None, _) => {
                    let suggestion = nearest_key(&name);
                    return Err(ConfigError::UnknownKey { key: name, at, suggestion });
                }
            }
        }
        Ok(())
    }

    fn read_rooms(&mut self, file: &FileText<'_>, value: &DeValue<'_>, at: &Source) -> Result<(), ConfigError> {
        let wrong =
            |allowed: String, at: &Source| ConfigError::Value { key: SECTION, value: None, allowed, at: at.clone() };
        let DeValue::Array(items) = value else { return Err(wrong(ROOMS_ALLOWED.to_owned(), at)) };
        for item in items {
            let DeValue::Table(table) = item.get_ref() else { return Err(wrong(ROOMS_ALLOWED.to_owned(), at)) };
            self.read_room(file, table, file.source(item.span().start))?;
        }
        if self.config.rooms.len() > ROOM_RULES_MAX {
            return Err(wrong(format!("at most {ROOM_RULES_MAX} sections"), at));
        }
        Ok(())
    }

    fn read_room(&mut self, file: &FileText<'_>, table: &DeTable<'_>, at: Source) -> Result<(), ConfigError> {
        let (mut draft, mut sources) = (Draft::default(), BTreeMap::new());
        let wrong = |key: &RoomKey, raw: &Raw, at: Source| ConfigError::Value {
            key: key.name,
            value: Some(raw.to_string()),
            allowed: key.allowed().into_owned(),
            at,
        };
        for (key, value) in table {
            let (name, at) = (format!("{SECTION}.{}", key.get_ref()), file.source(key.span().start));
            let Some(key) = RoomKey::known(&name) else {
                return Err(ConfigError::UnknownKey { suggestion: nearest_room_key(&name), key: name, at });
            };
            let raw = file.raw(value);
            key.set(&mut draft, &raw).map_err(|_| wrong(key, &raw, at.clone()))?;
            sources.insert(key.name, at);
        }
        let names = &ROOM_KEYS[0];
        let rule = draft.finish().ok_or_else(|| ConfigError::Missing {
            key: names.name,
            allowed: names.allowed().into_owned(),
            at: at.clone(),
        })?;
        if self.config.rooms.iter().any(|other| other.names == rule.names) {
            // The second would never hold.
            let raw = Raw::Text(rule.names.as_str().to_owned());
            return Err(wrong(names, &raw, sources.remove(names.name).unwrap_or(at)));
        }
        self.config.rooms.push(rule);
        self.room_sources.push(sources);
        Ok(())
    }

    fn read_variable(&mut self, name: String, value: String) -> Result<(), ConfigError> {
        let sets = |key: &&Key| key.variable() == name || (name == SECRET_VARIABLE && key.name == SECRET_KEY);
        let Some(key) = KEYS.iter().find(sets) else {
            if is_service_variable(&name, &value) {
                return Ok(());
            }
            let suggestion = nearest_variable(&name);
            return Err(ConfigError::UnknownVariable { name, suggestion });
        };
        if let Some(Source::Variable(other)) = self.sources.get(key.name) {
            return Err(ConfigError::Twice { names: [other.clone(), name] });
        }
        self.set(key, &Raw::Text(value), Source::Variable(name))
    }
}

/// A file's text, to say in which line something is.
struct FileText<'a> {
    path: &'a Path,
    text: &'a str,
}

impl FileText<'_> {
    fn source(&self, at: usize) -> Source {
        let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Source::File { path: self.path.to_owned(), line }
    }

    fn raw(&self, value: &Spanned<DeValue<'_>>) -> Raw {
        let as_written = || Raw::Other(self.text.get(value.span()).unwrap_or_default().to_owned());
        match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Boolean(value) => Raw::Bool(*value),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| as_written(), Raw::Whole)
            }
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map_or_else(as_written, Raw::List)
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => as_written(),
        }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// Whether a variable is one that Kubernetes or Docker sets in each container for a service that is called `herenow` or
/// `herenow-something`. They look like ours, and nobody can turn them off at our end.
fn is_service_variable(name: &str, value: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || (name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP")))
}

/// The key that was probably meant: alike as a whole, or with the same last part in another section.
pub(crate) fn nearest_key(name: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit_once('.').map_or(name, |(_, last)| last).to_owned();
    let likeness = |known: &str| {
        let whole = normalized_damerau_levenshtein(name, known);
        // A little less, so that with two equally good last parts the section decides.
        whole.max(0.95 * normalized_damerau_levenshtein(&last(name), &last(known)))
    };
    let rooms = ROOM_KEYS.iter().map(|key| key.name);
    nearest(KEYS.iter().map(|key| key.name).chain(rooms), likeness)
}

fn nearest_room_key(name: &str) -> Option<&'static str> {
    nearest(ROOM_KEYS.iter().map(|key| key.name), |known| normalized_damerau_levenshtein(name, known))
}

fn nearest_variable(name: &str) -> Option<String> {
    let known = KEYS.iter().map(Key::variable).chain([SECRET_VARIABLE.to_owned()]);
    let rest = |name: &str| name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name).to_ascii_uppercase();
    nearest(known, |known| normalized_damerau_levenshtein(&rest(name), &rest(known)))
}

fn nearest<T: AsRef<str>>(known: impl Iterator<Item = T>, likeness: impl Fn(&str) -> f64) -> Option<T> {
    let scored = known.map(|known| (likeness(known.as_ref()), known)).filter(|(score, _)| *score >= LIKENESS_MIN);
    scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

const ROOMS_ALLOWED: &str = "one or more sections [[room]], in two pairs of brackets each";
/// How alike two names must be for one to be proposed for the other; below it, proposals puzzle more than they help.
const LIKENESS_MIN: f64 = 0.6;
