use headwaters::{Clock, Config, Producer, TokioClock};

use crate::acks::Place;
use crate::args::{Output, PutArguments};
use crate::connect;
use crate::console::Console;
use crate::dashboard::Dashboard;
use crate::dry_run::DryRun;
use crate::exit::{Abort, Exit};
use crate::hints::Hinted;
use crate::input::{self, Format, Inputs, Key, Keys};
use crate::load::{Abandoned, Deadline, Failure, Load};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::prometheus::Exporter;
use crate::recording::Recording;
use crate::resume::Resume;
use crate::settle::Settler;
use crate::sink::Sink;
use crate::stop::{Reason, Signal, Signals};
use crate::summary::{self, Summary};
use crate::{reports, settings};

/// Runs `headwaters put`.
pub(crate) fn put(arguments: &PutArguments) -> Exit {
    let clock = TokioClock::new();
    let progress = Progress::new(arguments.progress(), arguments.quiet);
    let console = Console::new(progress.bar(), arguments.quiet);
    let done = Setup::of(arguments).and_then(|setup| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Abort::internal)?;
        runtime.block_on(setup.run(clock, &progress, &console))
    });
    done.unwrap_or_else(|Abort { exit, text }| {
        console.error(text);
        exit
    })
}

/// All that can be wrong is looked at before anything is sent.
struct Setup<'a> {
    arguments: &'a PutArguments,
    config: Config,
    inputs: Inputs<Format>,
    keys: Keys,
}

impl<'a> Setup<'a> {
    fn of(arguments: &'a PutArguments) -> Result<Self, Abort> {
        let config = settings::config(arguments)?;
        let inputs = Inputs::open(&arguments.files, |file| arguments.format_of(file));
        let inputs = inputs.map_err(Abort::usage)?;
        let keys = Keys {
            hash_key: arguments.hash_key_field.clone(),
            header: !arguments.no_header,
            key: arguments.key(),
            limit: config.max_user_record_size(),
        };
        Ok(Self { arguments, config, inputs, keys })
    }

    async fn run(
        self,
        clock: TokioClock,
        progress: &Progress,
        console: &Console,
    ) -> Result<Exit, Abort> {
        let Self { arguments, config, mut inputs, keys } = self;
        if arguments.dry_run.dry_run {
            let config = &config;
            let dry_run = DryRun { arguments, clock, config, console };
            return dry_run.run(inputs, keys, progress).await;
        }
        let mut signals = Signals::catch().map_err(Abort::internal)?;
        let target = connect::target(arguments, clock).await?;
        let resume = arguments.resume.as_deref();
        let resume = resume.map(|path| Resume::open(path, arguments, &inputs, target.place()));
        let resume = resume.transpose()?;
        if let Some(resume) = &resume {
            resume.tell(&inputs.files, console);
            inputs.passed = resume.passed();
        }
        let (acks, failed) = reports::create(arguments, &inputs.paths)?;
        if let Some(address) = arguments.prometheus {
            // Before there is a figure to tell.
            let exporter = Exporter::listen(address, clock).await?;
            console.notice(format_args!("figures for Prometheus are at {}", exporter.url()));
            tokio::spawn(exporter.run());
        }
        let bytes_max = config.bounds().bytes;
        let builder = Producer::builder()
            .clock(clock)
            .config(config)
            .stream(arguments.stream.name.as_str())
            .transport(target.clone());
        let (recording, builder) = match Recording::start(arguments, &inputs.paths)? {
            Some((recording, trace)) => (Some(recording), builder.trace(trace)),
            None => (None, builder),
        };
        let producer = builder.start().map_err(Abort::internal)?;
        let mut load = Load::new(clock, console, inputs.files.clone(), target, producer);
        load.bytes_max = bytes_max as u64;
        load.resume = resume;
        load.pace.set(arguments.rate.map(|rate| Pace::new(rate, load.start)));
        load.deadline = arguments.deadline.map(|duration| Deadline::new(load.start, duration));
        let brings_keys = |(format, _): &(Format, _)| *format == Format::Records;
        if matches!(keys.key, Key::Random) && !inputs.sources.iter().all(brings_keys) {
            console.notice("no key is given: each record gets a random one of its own (see --key)");
        }
        load.dashboard = arguments.dashboard.then(Dashboard::open).transpose()?;
        if load.dashboard.is_some() {
            console.hold();
        }
        let mut settler = Settler::new(&load, acks, failed);
        let decoder = move |format: Format, file| format.decoder(file, &keys);
        let batches = input::start(inputs, decoder).map_err(Abort::internal)?;
        let result = load.run(batches, &mut settler, &mut signals, progress).await;
        progress.end();
        if let Some(dashboard) = &load.dashboard {
            dashboard.close();
            console.release();
        }
        match result {
            Ok(()) => report(&load, settler, arguments, recording, &mut signals).await,
            Err(Abandoned(signal)) => Ok(abandon(&load, signal).await),
        }
    }
}

/// The second signal: only what is known at once.
async fn abandon(load: &Load<'_>, signal: Signal) -> Exit {
    let left = load.on_the_way();
    if let Some(resume) = &load.resume {
        resume.finish(load.console, left, load.all_read()).await;
    }
    load.console.error(format_args!("stopped at once: {left} records are left without an outcome"));
    signal.into()
}

/// Compares, tells, and says how it went.
async fn report(
    load: &Load<'_>,
    settler: Settler<'_>,
    arguments: &PutArguments,
    recording: Option<Recording>,
    signals: &mut Signals,
) -> Result<Exit, Abort> {
    let tally = load.tally.get();
    let elapsed = load.clock.now().since(load.start).as_secs_f64();
    let mut summary =
        Summary::new(arguments.stream.name.as_str(), tally, load.producer.stats().engine, elapsed);
    summary.stopped = load.stop.reason().map(summary::reason);
    summary.unread = load.unread().map(|position| Place::new(&load.files, position));
    if let Some(resume) = &load.resume {
        resume.finish(load.console, load.on_the_way(), load.all_read()).await;
        summary.resume = Some(resume.report(load.on_the_way(), load.all_read()));
    }
    let acks = settler.acks.iter().map(|acks| acks.sink.report());
    summary.reports =
        acks.chain(settler.failed.iter().map(|failed| failed.sink.report())).collect();
    if let Some((stored, shards)) = load.target.content() {
        if summary.without_outcome == 0 {
            summary.read_back = Some(settler.read_back.compare(&stored, &shards));
        }
        summary.kinesis_records = Some(shards.iter().map(|shard| shard.records).sum());
        summary.shards = Some(shards.into_iter().map(Into::into).collect());
    }
    tell(load, &summary, settler.refusal.as_deref(), settler.failed.is_some());
    let exit = judge(load, &summary);
    // What becomes of its files belongs to how it went.
    let exit = recording.map_or(exit, |recording| recording.end(exit, load.console));
    summary.exit_code = exit.code();
    if arguments.output == Output::Text && arguments.acks_on_stdout() {
        load.console.write(format_args!("{summary}"));
        return Ok(exit);
    }
    let mut stdout = Sink::stdout().map_err(Abort::internal)?;
    let printed = async {
        match arguments.output {
            // That it broke is in its report.
            Output::Json => drop(stdout.line(&summary).await),
            Output::Text => stdout.bytes(summary.to_string().as_bytes()),
        }
        stdout.finish().await;
    };
    tokio::select! {
        biased;
        signal = signals.next() => return Ok(signal.into()),
        () = printed => {}
    }
    if let Some(error) = stdout.report().error {
        load.console.error(format_args!("cannot write the summary: {error}"));
        // Who closes a pipe wants to know no more.
        return Ok(if stdout.is_closed_pipe() { exit } else { Exit::Internal });
    }
    Ok(exit)
}

/// Says what went wrong.
fn tell(load: &Load<'_>, summary: &Summary<'_>, refusal: Option<&str>, keeps: bool) {
    let console = load.console;
    load.complaints.end();
    if load.tally.get().undelivered() > 0 && !keeps {
        console.notice("what is not stored is kept nowhere; --failed FILE keeps it");
    }
    if let Some(refusal) = refusal {
        console.error(format_args!("the service refused: {refusal}"));
    } else if let Some(failure) = load.target.last_failure() {
        console.error(format_args!("the last request failed: {}", Hinted(&failure)));
    }
    for report in &summary.reports {
        if let Some(error) = &report.error {
            let (file, lost) = (&report.file, report.lost);
            console.error(format_args!(
                "cannot write {file}: {error}; {lost} records are not kept there"
            ));
        }
    }
    if let Some(resume) = &summary.resume {
        match &resume.error {
            Some(error) => console.error(format_args!(
                "cannot write {}: {error}; it is older than the load, and what it lacks would be put \
                 again",
                resume.file
            )),
            None if resume.complete => {}
            None => console.notice("the same command goes on where this one stopped"),
        }
    }
    if summary.without_outcome > 0 {
        let count = summary.without_outcome;
        console.error(format_args!("{count} records are left without an outcome"));
    }
    if let Some(comparison) = summary.read_back.filter(|comparison| !comparison.explained()) {
        console.error(format_args!("the stream does not hold what was reported: {comparison}"));
    }
}

fn judge(load: &Load<'_>, summary: &Summary<'_>) -> Exit {
    let tally = load.tally.get();
    let undelivered = tally.undelivered();
    let failure = load.failure.get();
    let sound = summary.without_outcome == 0
        && summary.reports.iter().all(|report| report.error.is_none())
        && summary.resume.as_ref().is_none_or(|resume| resume.error.is_none())
        && summary.read_back.is_none_or(|comparison| comparison.explained())
        && failure != Some(Failure::Reader);
    if !sound {
        Exit::Internal
    } else if let Some(signal) = load.stop.signal() {
        signal.into()
    } else if load.stop.reason() == Some(Reason::Credentials) {
        Exit::Configuration
    } else if failure == Some(Failure::Usage) {
        Exit::Usage
    } else if undelivered > 0 && undelivered == tally.refused {
        Exit::Refused
    } else if undelivered > 0 || failure.is_some() || summary.unread.is_some() {
        Exit::Undelivered
    } else {
        Exit::Delivered
    }
}
