//! TLS, where no proxy in front speaks it: the certificate that clients are shown, and its change while the server runs.
//!
//! Off by default, and nothing of it is in the way of a plain connection then. Accepting connections is left to
//! [`crate::server`].
use crate::config::settings::TlsConfig;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};
use std::{
    fmt::{self, Write},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, ready to be shown.
#[derive(Clone, Debug)]
pub struct Certified {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

/// What new connections are to speak: TLS with the newest certificate, or none. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tls(Arc<RwLock<Option<Certified>>>);

/// Why there is no TLS as the configuration says.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// One of the two files is not configured.
    Half {
        /// The key that is not set.
        missing: &'static str,
    },
    /// A file cannot be read.
    File {
        /// The key that names it.
        key: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is larger than any of its kind.
    TooLarge {
        /// The key that names it.
        key: &'static str,
        /// Which.
        path: PathBuf,
    },
    /// A file does not hold what it should, in PEM.
    NotThere {
        /// The key that names it.
        key: &'static str,
        /// Which.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// The two do not go together, or are of a kind that is not spoken.
    Unusable {
        /// Where the certificates are.
        path: PathBuf,
        /// Why.
        error: rustls::Error,
    },
}

impl Certified {
    /// Reads what the configuration names; `None` where it names nothing.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn read(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (cert, key) = match (&config.cert, &config.key) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(TlsError::Half { missing: KEY }),
            (None, Some(_)) => return Err(TlsError::Half { missing: CERT }),
            (Some(cert), Some(key)) => (cert, key),
        };
        let chain = CertificateDer::pem_slice_iter(&read(CERT, cert)?).collect::<Result<Vec<_>, _>>();
        let missing = |key, path: &Path, what| TlsError::NotThere { key, path: path.to_owned(), what };
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| missing(CERT, cert, "a certificate"))?;
        let private = PrivateKeyDer::from_pem_slice(&read(KEY, key)?);
        let private = private.map_err(|_| missing(KEY, key, "a private key without a password"))?;
        let digest = Sha256::digest(&chain[0]);
        let fingerprint = digest.iter().take(FINGERPRINT_BYTES).fold(String::new(), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let unusable = |error| TlsError::Unusable { path: cert.clone(), error };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(unusable)?;
        // WebSocket, and with it everything here, is spoken over HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { config: Arc::new(config), fingerprint }))
    }

    /// The first bytes of the SHA-256 of the certificate, in hexadecimal: by it operators tell one from another.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Tls {
    /// Has new connections shown this from now on, or speak no TLS. Those that are open go on as they are.
    pub fn show(&self, certified: Option<Certified>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
    }

    /// What the next connection speaks; `None` is no TLS.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map(|certified| TlsAcceptor::from(Arc::clone(&certified.config)))
    }

    /// See [`Certified::fingerprint`]; `None` is no TLS.
    pub fn fingerprint(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|certified| certified.fingerprint.clone())
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::File { key, path: path.to_owned(), error };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { key, path: path.to_owned() });
    }
    fs::read(path).map_err(failed)
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half { missing } => write!(f, "TLS needs a certificate and its key, and {missing} is not set"),
            Self::File { key, path, .. } => write!(f, "the file {} of {key} cannot be read", path.display()),
            Self::TooLarge { key, path } => {
                write!(f, "the file {} of {key} has more than {FILE_BYTES_MAX} bytes", path.display())
            }
            Self::NotThere { key, path, what } => {
                write!(f, "the file {} of {key} does not hold {what} in PEM", path.display())
            }
            Self::Unusable { path, error: rustls::Error::InconsistentKeys(_) } => {
                write!(f, "the key of {KEY} is not that of the first certificate in {}", path.display())
            }
            Self::Unusable { path, .. } => {
                write!(f, "the certificate in {} cannot be used with the key of {KEY}", path.display())
            }
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Unusable { error: rustls::Error::InconsistentKeys(_), .. } => None,
            Self::Unusable { error, .. } => Some(error),
            Self::Half { .. } | Self::TooLarge { .. } | Self::NotThere { .. } => None,
        }
    }
}

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";
/// Bytes of a file of certificates, or of a key. Chains have a few thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a fingerprint that are told.
const FINGERPRINT_BYTES: usize = 8;
