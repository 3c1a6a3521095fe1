//! The HTTP servers: reviews over TLS for the API server, and health and metrics in plain text.
//!
//! | module | holds |
//! |---|---|
//! | `listen` | binds an address |
//! | `serve` | accepts connections, TLS, graceful shutdown |
//! | `connections` | open connections, and which one is closed to make room for another |
//! | `lanes` | the memory of API servers' reviews, and that of all others' |
//! | `bodies`, `weight` | memory limits: of bodies as they arrive, and of what they become once parsed |
//! | `answers` | memory limits of responses that clients have not read |
//! | `refused` | why a request gets no response of a review |
//! | `router` | the paths, and the count of every request |
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
mod lanes;
mod listen;
mod refused;
mod weight;

pub use connections::Limits;
pub use listen::listen;
pub use metrics::Metrics;
pub use router::{MUTATE_PODS, VALIDATE_CLASSES};
pub use serve::{REVIEWS, Server, tls_acceptor};
