//! Memory in two lanes: that of requests from API servers, and a small one for all others. Nothing that the others send or do not
//! read takes room from an API server's review.

use std::net::IpAddr;

use crate::cluster::ApiServers;
use crate::server::answers::Answers;
use crate::server::bodies::Bodies;
use crate::server::weight::Reviews;

/// The memory that the requests of a lane may take together.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) bodies: Bodies,
    pub(crate) reviews: Reviews,
    pub(crate) answers: Answers,
}

/// The lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    api_servers: ApiServers,
    reserved: Room,
    others: Room,
}

impl Lanes {
    pub(crate) fn new(api_servers: ApiServers) -> Self {
        let room = |large, reviews| Room {
            bodies: Bodies::new(large),
            reviews,
            answers: Answers::new(large),
        };
        let (most, rest) = (12 * 1024, 4 * 1024);
        Self {
            api_servers,
            reserved: room(most, Reviews::new(most, 40 * 1024)),
            others: room(rest, Reviews::serial(rest, 10 * 1024)),
        }
    }

    /// The room of a request from this client. While no API server has called from a known address, all share the larger one:
    /// the API server may be any of them.
    pub(crate) fn room(&self, peer: Option<IpAddr>) -> &Room {
        if peer.is_some_and(|peer| self.api_servers.called_from(peer))
            || !self.api_servers.have_called()
        {
            &self.reserved
        } else {
            &self.others
        }
    }
}
