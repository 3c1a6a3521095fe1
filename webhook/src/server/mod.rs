//! The HTTP servers: reviews over TLS for the API server, and health and metrics in plain text.
//!
//! | module | holds |
//! |---|---|
//! | `listen` | binds an address |
//! | `serve` | accepts connections of reviews, TLS, graceful shutdown |
//! | `plain` | accepts connections for probes and metrics |
//! | `connections` | open connections, and which one is closed to make room for another |
//! | `router` | the paths, the limits of every request, and the count of every review |
//! | `bodies`, `weight` | memory limits: of bodies as they arrive, and of what they become once parsed |
//! | `answers` | memory limits of responses that clients have not read |
//! | [`review`] | the AdmissionReview protocol |
//! | `metrics` | counters of reviews, and gauges of the webhook's state |
//! | `readiness`, `health` | the webhook's state, for the kubelet and for Prometheus |

pub mod review;

pub(crate) mod connections;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod readiness;
pub(crate) mod router;
pub(crate) mod serve;

mod answers;
mod bodies;
mod listen;
mod plain;
mod weight;

pub use connections::Limits;
pub use listen::listen;
pub use metrics::Metrics;
pub use router::{MUTATE_PODS, VALIDATE_CLASSES};
pub use serve::{REVIEWS, serve_tls, tls_acceptor};
