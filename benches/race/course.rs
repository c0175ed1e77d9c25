//! The race itself: who is there, who is next, and what it took.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use headwaters_benches::NullServer;

use crate::Failure;
use crate::arms::{ARMS, Arm, Heat, Needs};
use crate::contestants::{BATCH, ROLE};
use crate::figures::{Figures, Results};

/// Bytes of a record.
pub(crate) const SIZES: [usize; 2] = [100, 1_024];

/// How long a turn takes, in CPU time: many times the resolution of what counts it, and of a producer's last batch.
const TURN_NANOS: f64 = 120e6;

/// What to run.
pub(crate) struct Course {
    pub(crate) is_quick: bool,
    /// Those whose id has one of these in it; all if there are none.
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
}

impl Default for Course {
    fn default() -> Self {
        Self { is_quick: false, only: Vec::new(), rounds: 15 }
    }
}

impl Course {
    pub(crate) fn run(&self) -> Result<Results, Failure> {
        let server = NullServer::start()?;
        let directory = scratch()?;
        let certificate = directory.join("certificate.pem");
        fs::write(&certificate, server.certificate_pem())?;
        let mut results = Results::default();
        for size in SIZES {
            for heat in Heat::ALL {
                let arms = ARMS.iter().filter(|arm| arm.heat == heat && self.takes(arm));
                self.heat(arms, &server, &certificate, size, &mut results)?;
            }
        }
        fs::remove_dir_all(directory)?;
        Ok(results)
    }

    fn takes(&self, arm: &Arm) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|text| arm.id.contains(text));
        is_named && !(self.is_quick && arm.needs == Needs::Python)
    }

    /// Those that are compared with each other take turns.
    fn heat<'a>(
        &self,
        arms: impl Iterator<Item = &'a Arm>,
        server: &NullServer,
        certificate: &Path,
        size: usize,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let mut runners = Vec::new();
        for arm in arms {
            eprintln!("{size} bytes: {} ({})", arm.id, arm.heat.name());
            match Runner::start(arm, &server.url(), certificate, size) {
                Ok(runner) => runners.push(runner),
                Err(why) if arm.needs == Needs::Nothing => return Err(why),
                Err(why) => results.miss(arm, &why.to_string()),
            }
        }
        for runner in &mut runners {
            runner.warm_up(self.is_quick)?;
        }
        let rounds = if self.is_quick { 1 } else { self.rounds };
        for round in 0..rounds {
            for turn in 0..runners.len() {
                let count = runners.len();
                let runner = &mut runners[(round + turn) % count];
                let before = server.stored();
                let figures = runner.turn()?;
                let after = server.stored();
                if runner.arm.heat != Heat::Aggregated
                    && after.entries - before.entries != figures.records
                {
                    let (said, seen) = (figures.records, after.entries - before.entries);
                    let who = runner.arm.id;
                    return Err(format!("{who} says {said} records, the server {seen}").into());
                }
                results.add(runner.arm, size, figures);
            }
        }
        for runner in runners {
            runner.stop()?;
        }
        Ok(())
    }
}

/// A folder of our own, for the certificate.
fn scratch() -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("headwaters-race-{}", std::process::id()));
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// A contestant's process.
struct Runner<'a> {
    arm: &'a Arm,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    orders: ChildStdin,
    /// Requests in a turn.
    requests: usize,
}

impl<'a> Runner<'a> {
    fn start(arm: &'a Arm, url: &str, certificate: &Path, size: usize) -> Result<Self, Failure> {
        let mut command = match arm.needs {
            Needs::Nothing => rust()?,
            Needs::Python => python(certificate)?,
            Needs::Sdk if cfg!(feature = "sdk") => rust()?,
            Needs::Sdk => return Err("built without `--features sdk`".into()),
        };
        command.arg(arm.id).arg(url).arg(certificate).arg(size.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let orders = child.stdin.take().ok_or("no input")?;
        let mut runner =
            Self { arm, child, lines: BufReader::new(stdout).lines(), orders, requests: 1 };
        match runner.line() {
            Ok(line) if line == "ready" => Ok(runner),
            _ => {
                runner.child.wait()?;
                Err("it does not start".into())
            }
        }
    }

    fn line(&mut self) -> Result<String, Failure> {
        let line = self.lines.next().ok_or_else(|| format!("{} has ended", self.arm.id))?;
        Ok(line?)
    }

    fn turn(&mut self) -> Result<Figures, Failure> {
        writeln!(self.orders, "{}", self.requests)?;
        let line = self.line()?;
        let (cpu, records) = line.split_once(' ').ok_or("two numbers")?;
        Ok(Figures { cpu_nanos: cpu.parse()?, records: records.parse()? })
    }

    /// Fills caches and buffers, and finds out how many requests make a turn.
    fn warm_up(&mut self, is_quick: bool) -> Result<(), Failure> {
        for requests in if is_quick { [1, 2] } else { [4, 32] } {
            self.requests = requests;
            let figures = self.turn()?;
            let per_request = figures.nanos_per_record() * BATCH as f64;
            if !is_quick {
                self.requests = (TURN_NANOS / per_request).ceil() as usize;
            }
        }
        Ok(())
    }

    /// It ends when there are no more orders.
    fn stop(self) -> Result<(), Failure> {
        let Self { mut child, orders, .. } = self;
        drop(orders);
        child.wait()?;
        Ok(())
    }
}

fn rust() -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ROLE);
    Ok(command)
}

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/race/contestants.py");

fn python(certificate: &Path) -> Result<Command, Failure> {
    let python = interpreter();
    if !python.exists() {
        return Err("its packages are not there: benches/race/install".into());
    }
    let mut command = Command::new(python);
    // All that a client of Python's could look for somewhere else.
    let nowhere = "/nonexistent";
    command
        .arg(PYTHON)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_CA_BUNDLE", certificate)
        .env("AWS_CONFIG_FILE", nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE");
    Ok(command)
}

/// Where `benches/race/install` puts it, or where `RACE_PYTHON` says.
pub(crate) fn interpreter() -> PathBuf {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/race/bin/python");
    std::env::var_os("RACE_PYTHON").map_or_else(|| made.into(), PathBuf::from)
}
