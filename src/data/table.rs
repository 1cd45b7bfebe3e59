//! Tables with a column of labels, encoded for training.

use super::error::DataError;
use super::records::{Records, read_records};
use super::schema::{TableSchema, distinct, is_missing};
use super::split::SplitConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Configures how a table is read.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `label` | | the name of the column of the labels |
/// | `task` | `Classes` | whether the labels are classes or numbers |
/// | `test` | none | a second file, with the rows to test on |
/// | `split` | a tenth each | what is held out for validation and, without a second file, for testing |
/// | `missing` | empty, `NA`, `?`, `nan` | the texts that mean a missing value, whatever their case |
/// | `categorical` | none | the columns whose values are categories, even if they look like numbers |
/// | `ignored` | none | the columns that are not looked at |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Names the column of the labels.
    pub label: String,
    /// Selects what the labels are.
    #[serde(default)]
    pub task: TableTask,
    /// Names a second file, with the rows to test on; if absent, they are held out of the first.
    #[serde(default)]
    pub test: Option<PathBuf>,
    /// Selects the rows that are held out.
    #[serde(default)]
    pub split: SplitConfig,
    /// Lists the texts that mean a missing value, whatever their case.
    #[serde(default = "missing")]
    pub missing: Vec<String>,
    /// Lists the columns whose values are categories, even if they look like numbers.
    #[serde(default)]
    pub categorical: Vec<String>,
    /// Lists the columns that are not looked at, such as names and numbers of rows.
    #[serde(default)]
    pub ignored: Vec<String>,
}

/// Selects what the labels of a table are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableTask {
    /// Selects classes: the labels are names.
    #[default]
    Classes,
    /// Selects regression: the labels are numbers.
    Number,
}

fn missing() -> Vec<String> {
    ["", "NA", "?", "nan"].map(String::from).into()
}

impl TableConfig {
    /// Creates the default configuration for the labels in this column.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            task: TableTask::default(),
            test: None,
            split: SplitConfig::default(),
            missing: missing(),
            categorical: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

/// Holds a table in memory, encoded and split into rows for training, validation and testing.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Holds the rows to train on.
    pub train: Rows,
    /// Holds the rows to validate on, if any were asked for.
    pub validation: Option<Rows>,
    /// Holds the rows to test on.
    pub test: Rows,
    /// Describes how the rows were encoded.
    pub schema: TableSchema,
    /// Lists what is worth knowing, such as columns that were left out; a sentence each.
    pub notices: Vec<String>,
}

/// Holds encoded rows and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Holds the features, row after row.
    pub features: Vec<f32>,
    /// Gives the number of rows.
    pub rows: usize,
    /// Gives the number of features of a row.
    pub columns: usize,
    /// Holds the label of each row.
    pub targets: Targets,
}

/// Holds the labels of rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Holds indices into the names of the classes in the schema.
    Classes(Vec<u32>),
    /// Holds numbers, from which the schema's mean was taken and which were divided by its deviation.
    Numbers(Vec<f32>),
}

/// Reads a table of delimited text with a column of labels, as [`read_records`] does, and encodes it as numbers.
///
/// A column is one of numbers where all its training values are, and else one of categories; see
/// [`Encoding`](super::Encoding) for what becomes of them. What is learned about the columns is learned from the
/// training rows alone. A column that is constant there is left out, and the notices say so.
///
/// ```
/// use burn_descent_lab::data::{TableConfig, Targets, read_table};
///
/// let file = tempfile::NamedTempFile::new()?;
/// let rows = (0..20).map(|i| format!("{i},{},{}\n", ["red", "blue"][i % 2], ["ripe", "raw"][i / 10]));
/// std::fs::write(file.path(), format!("size,color,state\n{}", rows.collect::<String>()))?;
/// let table = read_table(file.path(), &TableConfig::new("state"))?;
/// assert_eq!((table.train.rows, table.test.rows), (16, 2));
/// assert_eq!(table.schema.feature_names(), ["size", "color = blue", "color = red"]);
/// assert_eq!(table.test.targets, Targets::Classes(vec![1, 0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns the errors of [`read_records`], and others that name the file where a column that `config` names is missing,
/// where a label is missing, is no number for regression or is a class that no training row has, where all labels are
/// the same, where a column has more than 1000 categories, where a value is infinite or, in a column of numbers, none,
/// where no column is left, where a part would be empty, and where the features of a part would take more than 2 GiB.
pub fn read_table(path: impl AsRef<Path>, config: &TableConfig) -> Result<Table, DataError> {
    config.split.check()?;
    let records = read_records(path)?;
    for name in config.categorical.iter().chain(&config.ignored) {
        records.column(name)?;
    }
    let test_records = config.test.as_ref().map(read_records).transpose()?;
    let groups = groups(&records, config)?;
    let share = if test_records.is_some() { 0.0 } else { config.split.test };
    let split = SplitConfig { test: share, ..config.split };
    let [training, validation, test] = split.divide(groups, records.path())?;
    if test_records.is_none() && test.is_empty() {
        let (path, count) = (records.path().into(), records.len());
        return Err(DataError::EmptyPart { path, part: "test", share, count });
    }

    let mut notices = Vec::new();
    let schema = TableSchema::learn(&records, &training, config, &mut notices)?;
    let mut encode = |records: &Records, rows: &[usize], part: &str| {
        let encoded = schema.encode_rows(records, rows)?;
        notices.extend(encoded.notices.iter().map(|notice| format!("{part} rows: {notice}")));
        let targets = schema.targets(records, rows)?;
        Ok(Rows { features: encoded.features, rows: encoded.rows, columns: encoded.columns, targets })
    };
    let train = encode(&records, &training, "training")?;
    let validation = match &validation[..] {
        [] => None,
        rows => Some(encode(&records, rows, "validation")?),
    };
    let test = match &test_records {
        Some(records) => {
            ensure_labels(records, config)?;
            encode(records, &Vec::from_iter(0..records.len()), "test")?
        }
        None => encode(&records, &test, "test")?,
    };
    Ok(Table { train, validation, test, schema, notices })
}

/// The rows of each class, or all rows where the labels are numbers.
fn groups(records: &Records, config: &TableConfig) -> Result<Vec<Vec<usize>>, DataError> {
    ensure_labels(records, config)?;
    let (label, rows) = (records.column(&config.label)?, Vec::from_iter(0..records.len()));
    if config.task == TableTask::Number {
        return Ok(vec![rows]);
    }
    distinct(records, &rows, label)?;
    let mut groups = BTreeMap::<&str, Vec<usize>>::new();
    for row in rows {
        groups.entry(records.field(row, label)).or_default().push(row);
    }
    Ok(groups.into_values().collect())
}

fn ensure_labels(records: &Records, config: &TableConfig) -> Result<(), DataError> {
    let label = records.column(&config.label)?;
    match (0..records.len()).find(|&row| is_missing(records.field(row, label), &config.missing)) {
        Some(row) => Err(records.wrong(row, label, "a label")),
        None => Ok(()),
    }
}
