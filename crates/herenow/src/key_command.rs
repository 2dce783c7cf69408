//! `herenow key`: makes an API key, and prints what to configure for it.
use crate::auth::api_key::{ApiKey, KeyRights};
use clap::Args;

/// What key to make.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// Name of the key, for logs: letters, digits, - and _
    #[arg(long, default_value = "backend", value_parser = name)]
    name: String,
    /// What it lets its bearer do: read, write, admin
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',', default_value = "read,write", value_parser = right)]
    can: Vec<KeyRights>,
}

impl KeyArgs {
    /// Makes the key: what to keep secret for the standard output, what to do with it for the standard error.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn run(&self) -> Result<(String, String), getrandom::Error> {
        let rights = self.can.iter().fold(KeyRights::NONE, |all, more| all.union(*more));
        let (key, configured) = ApiKey::generate(&self.name, rights)?;
        let note = format!(
            "Give the key above to the backend, which sends it as `Authorization: Bearer KEY`; it is shown only now.\n\
             The server gets its hash, in herenow.toml:\n\n  [auth]\n  api_keys = [\"{configured}\"]\n\n\
             or in the environment, where several stand with commas in between:\n\n  \
             HERENOW_AUTH__API_KEYS={configured}"
        );
        Ok((key, note))
    }
}

fn name(text: &str) -> Result<String, String> {
    let wrong = || format!("must have 1 to {} letters, digits, - and _", ApiKey::NAME_BYTES_MAX);
    ApiKey::is_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

fn right(name: &str) -> Result<KeyRights, String> {
    KeyRights::named(name.trim()).ok_or_else(|| "rights are read, write and admin".to_owned())
}
