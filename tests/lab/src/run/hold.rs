//! `--hold`: everything goes on running after the end, to be looked at.

use std::io::{Read as _, stdin};

use tokio::sync::oneshot;

use crate::Stop;
use crate::report::screen::Screen;

/// Waits until standard input ends.
pub(crate) async fn hold(screen: &mut Screen) -> Result<(), Stop> {
    screen.say("everything goes on running until standard input ends (Ctrl-D)");
    let (tell, ended) = oneshot::channel();
    // a thread of its own: one of tokio's would be waited for after an interrupt
    let reader = move || {
        let mut unread = [0; 256];
        while stdin().read(&mut unread).is_ok_and(|length| length > 0) {}
        let _ = tell.send(());
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(reader)
        .map_err(|error| Stop::Failed(format!("--hold: cannot start a thread: {error}")))?;
    // an error is the end as well
    let _ = ended.await;
    Ok(())
}
