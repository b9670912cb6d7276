//! Captured events through the host.

use tidegate_tests::{Broker, Home};

#[test]
fn smoke() {
    let broker = Broker::with_events([r#"{"id":1}"#, r#"{"id":2}"#]);
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let finished = home.run_once(&broker).expect_code(0);
    println!("{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(recording.offsets(), [0, 1]);
    println!("{:#?}", recording.calls());
}
