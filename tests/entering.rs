//! What is pressed before the page has entered its room is done once it has.

use holdfast::session::{Effect, Entrance, Event, Intent};
use holdfast::view::Phase;
use holdfast::{Millis, Session};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

#[test]
fn join_before_the_room_is_entered_is_kept() {
    let mut session = Session::new(1);
    assert!(session.handle(NOW, Event::Intent(Intent::Join("Ana".into()))).is_empty());
    let room = "hasty-room".parse().expect("valid");
    let effects =
        session.handle(NOW, Event::Entered(room, Entrance { name: "Old name".into(), ..Entrance::default() }));
    assert!(effects.contains(&Effect::SaveName("Ana".into())));
    let view = session.view();
    assert_eq!((view.phase, view.me.name.as_str()), (Phase::Joining, "Ana"));
}
