mod environment;

pub(crate) use environment::Environment;
