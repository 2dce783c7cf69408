//! Keys of each algorithm, drawn anew for each run, and tokens signed with them.
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use herenow::auth::keys::Algorithm;
use jsonwebtoken::{Algorithm as Jws, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A key pair.
pub struct Pair {
    pub algorithm: Jws,
    pub private: EncodingKey,
    pub private_pem: String,
    pub public_pem: String,
    pub public_der: Vec<u8>,
}

impl Pair {
    pub fn rsa() -> Self {
        Self::rsa_of(KeySize::Rsa2048)
    }

    pub fn rsa_of(size: KeySize) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private_pem = pem("PRIVATE KEY", private.as_ref());
        let private = EncodingKey::from_rsa_pem(private_pem.as_bytes()).unwrap();
        Self::of(Jws::RS256, private, private_pem, public.as_ref())
    }

    pub fn p256() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = EncodingKey::from_ec_der(document.as_ref());
        Self::of(Jws::ES256, private, pem("PRIVATE KEY", document.as_ref()), public.as_ref())
    }

    pub fn p384() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, document.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = EncodingKey::from_ec_der(document.as_ref());
        Self::of(Jws::ES384, private, pem("PRIVATE KEY", document.as_ref()), public.as_ref())
    }

    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = EncodingKey::from_ed_der(document.as_ref());
        Self::of(Jws::EdDSA, private, pem("PRIVATE KEY", document.as_ref()), public.as_ref())
    }

    fn of(algorithm: Jws, private: EncodingKey, private_pem: String, public_der: &[u8]) -> Self {
        let (public_pem, public_der) = (pem("PUBLIC KEY", public_der), public_der.to_vec());
        Self { algorithm, private, private_pem, public_pem, public_der }
    }

    /// The public half as a JWK of this id.
    pub fn jwk(&self, id: &str) -> Value {
        let mut jwk = if self.algorithm == Jws::EdDSA {
            let x = URL_SAFE_NO_PAD.encode(&self.public_der[self.public_der.len() - 32..]);
            json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x })
        } else {
            serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap()
        };
        (jwk["kid"], jwk["use"]) = (json!(id), json!("sig"));
        jwk
    }

    /// A token of these claims that names this key.
    pub fn sign(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Making RSA keys takes long, so most tests share one.
pub static RSA: LazyLock<Pair> = LazyLock::new(Pair::rsa);
pub static OTHER_RSA: LazyLock<Pair> = LazyLock::new(Pair::rsa);

/// A pair for each algorithm that has one.
pub fn public_pairs() -> [(Algorithm, Pair); 3] {
    [(Algorithm::Rs256, Pair::rsa()), (Algorithm::Es256, Pair::p256()), (Algorithm::EdDsa, Pair::ed25519())]
}
