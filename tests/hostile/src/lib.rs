//! Servers that break, lie and stall, and what every transport over a network must say of them: never a
//! panic, never a false "stored", never a false "not stored", and credentials for nobody else.
//!
//! A transport meets all [`cases`] with [`tests!`], in a test of its own crate.

#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

pub mod cases;
mod faults;
mod proxy;
mod requests;
#[cfg(feature = "aws")]
pub mod sdk;
mod server;
mod setup;
mod tls;

pub use proxy::Proxy;
pub use requests::{code, list, put, request, sized_request, stream};
pub use server::{Received, Server, Step, answer, failure, nobody, stored};
pub use setup::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, Setup};
pub use tls::acceptor;

/// A test for each of the [`cases`], over the transports that this function makes of a [`Setup`].
#[macro_export]
macro_rules! tests {
    ($connect:path) => {
        $crate::tests! { $connect:
            a_cancel_says_what_is_known
            a_connection_that_is_never_made
            a_kept_connection_that_was_closed_costs_nothing
            a_name_that_nobody_has
            a_proxy_makes_tunnels_and_sees_nothing
            a_proxy_that_refuses_gets_nothing
            a_reset_amid_a_large_request
            a_reset_before_the_request_is_never_taken_for_stored
            a_server_cannot_say_that_nothing_left
            a_server_goes_down_and_comes_back
            a_server_says_how_long_it_wants_to_be_left_alone
            a_slow_answer_does_not_outlive_the_deadline
            an_answer_before_the_end_of_the_request_counts
            an_answer_that_is_cut_anywhere_is_no_answer
            errors_of_the_service_are_known_by_their_code
            every_fault_is_told_as_what_it_is
            memory_stays_below_the_cap
            no_fault_is_a_list_of_shards
            nobody_listens
            redirects_are_not_followed
            silence_ends_at_the_deadline
            tls_does_not_reach_anybody_else
            tls_reaches_who_has_the_certificate
            what_is_stored_is_stored
        }
    };
    ($connect:path: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::cases::$case($connect).await;
            }
        )*
    };
}
