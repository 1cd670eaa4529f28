//! One address that takes seat after seat stores no more than one address may.

mod support;

use holdfast::wire::{Refusal, ServerMsg};
use support::{TestServer, chat, room};

#[tokio::test]
async fn seats_are_free_but_what_an_address_stores_is_bounded() {
    let server = TestServer::start_with(|config| config.stored_bytes_per_s = 64).await;
    let hall = room("cycling");
    let text = "x".repeat(3_900);
    let (mut stored, mut refused) = (0, 0);
    for seat in 0..6_u64 {
        let (mut client, _) = server.join(&hall, "Ana").await;
        for n in 0..10 {
            client.send(&chat(seat * 100 + n, &text)).await;
        }
        let mut answered = 0;
        while answered < 10 {
            match client.next().await.expect("refused, not put out") {
                ServerMsg::Ack { .. } => (stored, answered) = (stored + 1, answered + 1),
                ServerMsg::Refused { code, about: Some(_) } => {
                    assert_eq!(code, Refusal::TooFast);
                    (refused, answered) = (refused + 1, answered + 1);
                }
                _ => {}
            }
        }
        assert!(client.is_alive().await);
    }
    // 64 kB at once.
    assert!((14..40).contains(&stored) && refused > 0, "{stored} of 60 stored");
}
