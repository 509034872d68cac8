//! The agent as a service of Windows: what its service control manager asks of us and is told.
//!
//! The manager calls from threads of its own and knows no context, so the little that is shared with it is
//! static; a process is one service.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{Error, define_windows_service, service_dispatcher};

use super::super::Signal;

/// What `sc.exe` and Salt call it.
pub(crate) const NAME: &str = "narrows-agent";
const DISPLAY_NAME: &str = "Narrows agent";
const DESCRIPTION: &str = "Fetches and seeds what the operator assigned.";

/// How long the manager waits for a start and a stop before it calls the service hung.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// When the first, the second and any further failure of an hour is followed by a start.
const RESTARTS: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
const FORGIVEN_AFTER: Duration = Duration::from_secs(3600);

const ERROR_SERVICE_DOES_NOT_EXIST: i32 = 1060;
const ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: i32 = 1063;
const ERROR_SERVICE_EXISTS: i32 = 1073;

type Body = Box<dyn Fn() -> u8 + Send + Sync>;

static BODY: OnceLock<Body> = OnceLock::new();
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();
static STOP_ASKED: Notify = Notify::const_new();
static RELOAD_ASKED: Notify = Notify::const_new();

// The unsafe code in here is the macro's, of which the lint holds its author responsible and not us.
define_windows_service!(service_main, main_of_service);

/// Runs `body` as the service, in a thread of the manager's; what it returns is the service's exit code.
/// Returns when the service has stopped.
///
/// # Errors
/// That the manager did not start this process, or what it says.
pub(crate) fn run(body: Body) -> io::Result<()> {
    if BODY.set(body).is_err() {
        return Err(io::Error::other("a process is one service"));
    }
    service_dispatcher::start(NAME, service_main).map_err(|error| match code(&error) {
        Some(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) => io::Error::other(
            "only the service control manager starts the service (`sc start narrows-agent`); in a console use `narrows-agent run`",
        ),
        _ => plain(error),
    })
}

fn main_of_service(_: Vec<OsString>) {
    let Some(body) = BODY.get() else { return };
    // the crate frees its handler at a STOP, though the manager may ask for the state even then: on_control
    // is a function without any state, for which there is nothing to free
    let Ok(status) = service_control_handler::register(NAME, on_control) else {
        return;
    };
    if STATUS.set(status).is_ok() {
        report(ServiceState::StartPending, ServiceExitCode::NO_ERROR);
        let exit_code = match body() {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        };
        report(ServiceState::Stopped, exit_code);
    }
}

fn on_control(control: ServiceControl) -> ServiceControlHandlerResult {
    match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            // said before this returns: from here on the manager lets no other control through
            report(ServiceState::StopPending, ServiceExitCode::NO_ERROR);
            STOP_ASKED.notify_one();
        }
        ServiceControl::ParamChange => RELOAD_ASKED.notify_one(),
        ServiceControl::Interrogate => {}
        _ => return ServiceControlHandlerResult::NotImplemented,
    }
    ServiceControlHandlerResult::NoError
}

/// What the manager asks for next; nothing, ever, if this process is no service. Safe to drop and call again.
pub(super) async fn control() -> Signal {
    tokio::select! {
        () = STOP_ASKED.notified() => Signal::Stop,
        () = RELOAD_ASKED.notified() => Signal::Reload,
    }
}

/// Says that the service does its work from now on.
pub(super) fn running() {
    report(ServiceState::Running, ServiceExitCode::NO_ERROR);
}

fn report(state: ServiceState, exit_code: ServiceExitCode) {
    let Some(handle) = STATUS.get() else { return };
    let controls_accepted = match state {
        ServiceState::Running => {
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN | ServiceControlAccept::PARAM_CHANGE
        }
        _ => ServiceControlAccept::empty(),
    };
    let wait_hint = match state {
        ServiceState::StartPending => START,
        ServiceState::StopPending => STOP,
        _ => Duration::ZERO,
    };
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code,
        checkpoint: 0,
        wait_hint,
        process_id: None,
    };
    if let Err(error) = handle.set_service_status(status) {
        let error = plain(error);
        tracing::warn!(%error, ?state, "cannot tell the service control manager our state");
    }
}

/// Installs the service, or makes the installed one this one. It starts with the system and again after a
/// failure. What could not be set, in words; the service runs without it.
///
/// # Errors
/// The manager's; for one, that we are no administrator.
pub(crate) fn install(executable: PathBuf, arguments: Vec<OsString>) -> io::Result<Vec<String>> {
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: executable,
        launch_arguments: arguments,
        dependencies: Vec::new(),
        // LocalSystem if it is new; the account of an installed one stays
        account_name: None,
        account_password: None,
    };
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    // START: an account that has it restarted after failures must be allowed to start it
    let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = match manager.create_service(&info, access) {
        Err(error) if code(&error) == Some(ERROR_SERVICE_EXISTS) => {
            let service = manager.open_service(NAME, access).map_err(plain)?;
            service.change_config(&info).map_err(plain)?;
            service
        }
        created => created.map_err(plain)?,
    };
    let restarts = RESTARTS.map(|delay| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay,
    });
    let failure_actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGIVEN_AFTER),
        reboot_msg: None,
        command: None,
        actions: Some(restarts.to_vec()),
    };
    let settings = [
        ("the description", service.set_description(DESCRIPTION)),
        (
            "restarts after a failure",
            service.update_failure_actions(failure_actions),
        ),
        (
            "restarts after an orderly end with an error",
            service.set_failure_actions_on_non_crash_failures(true),
        ),
    ];
    let failed =
        settings.into_iter().filter_map(|(what, done)| Some(format!("{what}: {}", plain(done.err()?))));
    Ok(failed.collect())
}

/// Stops the service and removes it; whether there was one.
///
/// # Errors
/// The manager's.
pub(crate) fn uninstall() -> io::Result<bool> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = match manager.open_service(NAME, access) {
        Err(error) if code(&error) == Some(ERROR_SERVICE_DOES_NOT_EXIST) => return Ok(false),
        opened => opened.map_err(plain)?,
    };
    stop(&service)?;
    service.delete().map_err(plain)?;
    Ok(true)
}

/// Stops the service and waits until it has.
fn stop(service: &Service) -> io::Result<()> {
    let deadline = Instant::now() + STOP + STOP / 2;
    let mut asked = false;
    loop {
        match service.query_status().map_err(plain)?.current_state {
            ServiceState::Stopped => return Ok(()),
            _ if Instant::now() > deadline => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the service does not stop",
                ));
            }
            ServiceState::Running if !asked => {
                service.stop().map_err(plain)?;
                asked = true;
            }
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn manager(access: ServiceManagerAccess) -> io::Result<ServiceManager> {
    ServiceManager::local_computer(None::<&str>, access).map_err(plain)
}

fn code(error: &Error) -> Option<i32> {
    match error {
        Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

/// The system's own error, which says what happened.
fn plain(error: Error) -> io::Error {
    match error {
        Error::Winapi(error) => error,
        error => io::Error::other(error),
    }
}
