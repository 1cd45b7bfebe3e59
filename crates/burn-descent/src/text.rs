//! What names that people type have in common.

use serde_json::Value;

/// A name as it is in a table: in small letters, with hyphens.
pub(crate) fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}

/// The question to end an error with, whether the known name that is most like `name` was meant, if one is much like it.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// The known name that is most like `name`, if one is much like it.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let like = |known: &str| strsim::jaro_winkler(&plain(name), known);
    let nearest = known.max_by(|one, other| like(one).total_cmp(&like(other)));
    nearest.filter(|known| like(known) > 0.8)
}

/// The field of a JSON object that `name` leads to, as in `line_search.c_2`; an error that lists the known ones.
pub(crate) fn place<'v>(value: &'v mut Value, name: &str) -> Result<&'v mut Value, String> {
    let mut place = value;
    for key in name.split('.') {
        let keys: Vec<String> = place.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
        let unknown = || format!("no hyperparameter `{key}`; known: {}", keys.join(", "));
        place = place.get_mut(key).ok_or_else(unknown)?;
    }
    Ok(place)
}
