//! The command line resolved against the site map: which agents are where, and which are killed.

use std::fs;

use crate::Stop;
use crate::args::Args;
use crate::deployment::{DEFAULT_MAP, Deployment};
use crate::events::What;
use crate::events::kills::{Kill, Who, default_kills};

/// The site map, and the agents of each site.
pub(crate) fn deployment(args: &Args) -> Result<Deployment, Stop> {
    let plan = args.chaos.plan.as_deref();
    let (name, text) = match (&args.sites, plan) {
        (_, Some(plan)) => ("--chaos".to_owned(), plan.map.clone()),
        (None, _) => ("the default site map".to_owned(), DEFAULT_MAP.to_owned()),
        (Some(path), _) => {
            let name = path.display().to_string();
            let text =
                fs::read_to_string(path).map_err(|error| Stop::Wrong(format!("--sites: {name}: {error}")))?;
            (name, text)
        }
    };
    let deployment = Deployment::new(
        &name,
        &text,
        args.seeds.as_ref(),
        args.clients.as_ref(),
        args.address_space(),
    );
    let mut deployment = deployment.map_err(Stop::Wrong)?;
    if let Some(plan) = plan {
        // the tracker does not know all that there is
        deployment.text.clone_from(&plan.known);
    }
    Ok(deployment)
}

/// The kills that the command line asks for, each of a client that is there.
pub(crate) fn kills(args: &Args, deployment: &Deployment) -> Result<Vec<Kill>, Stop> {
    let sites = deployment.client_sites();
    if args.no_kills || (args.kill.is_empty() && !args.options.event.is_empty()) {
        return Ok(Vec::new());
    }
    if args.kill.is_empty() {
        return Ok(default_kills(&sites));
    }
    for kill in &args.kill {
        let Some((site, count)) = sites.iter().find(|(site, _)| *site == kill.site) else {
            let names: Vec<_> = sites.iter().map(|(site, _)| site.as_str()).collect();
            return Err(Stop::Wrong(format!(
                "--kill {kill}: no clients at `{}`; there are at {}",
                kill.site,
                names.join(", ")
            )));
        };
        if let Who::Number(number) = kill.who
            && number >= *count
        {
            return Err(Stop::Wrong(format!(
                "--kill {kill}: the clients at `{site}` are 0 to {}",
                count - 1
            )));
        }
    }
    Ok(args.kill.clone())
}

/// Clients that events add, there from the beginning, started later.
pub(crate) fn late(args: &Args, deployment: &mut Deployment) -> Result<(), Stop> {
    for event in &args.options.event {
        match &event.what {
            What::Add(groups) => {
                for (site, count) in &groups.0 {
                    deployment.settle_late(site, *count).map_err(Stop::Wrong)?;
                }
            }
            What::Clone(_, site) => {
                deployment.settle_late(site, 1).map_err(Stop::Wrong)?;
            }
            _ => {}
        }
    }
    Ok(())
}
