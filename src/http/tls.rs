//! The certificate that connections are answered with, by rustls. It is read again with every reload; one that cannot be
//! read changes nothing, so that a renewal that went wrong ends no service.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::operator::Tls;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file does not hold what it should.
    #[error("cannot read a {what} from `{path}`: {source}")]
    Unreadable {
        /// Certificate or private key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate in it.
    #[error("there is no certificate in `{0}`")]
    None(PathBuf),
    /// Certificate and key do not belong together, or are of a kind that is not spoken.
    #[error("cannot answer with the certificate `{path}`: {source}")]
    Unfit {
        /// The file of the certificate.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What new connections are answered with; nothing where they are plain HTTP.
pub(super) struct Certificate(ArcSwapOption<ServerConfig>);

impl Certificate {
    pub(super) fn read(tls: Option<&Tls>) -> Result<Self, CertificateError> {
        Ok(Certificate(ArcSwapOption::new(tls.map(config).transpose()?)))
    }

    /// What a connection that begins now is answered with.
    pub(super) fn present(&self) -> Option<Arc<ServerConfig>> {
        self.0.load_full()
    }

    /// Reads the files again. Whether there is TLS at all was decided at the start: whoever connects must know it.
    pub(super) fn reload(&self, tls: Option<&Tls>) {
        match (tls, self.0.load().is_some()) {
            (Some(tls), true) => match config(tls) {
                Ok(config) => self.0.store(Some(config)),
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            },
            (None, false) => {}
            _ => tracing::warn!("`tls` is turned on or off at the next start"),
        }
    }
}

fn config(tls: &Tls) -> Result<Arc<ServerConfig>, CertificateError> {
    let unreadable = |what, path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Unreadable { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable("certificate", &tls.cert))?;
    if chain.is_empty() {
        return Err(CertificateError::None(tls.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(unreadable("private key", &tls.key))?;
    let unfit = |source| CertificateError::Unfit { path: tls.cert.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(unfit)?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
