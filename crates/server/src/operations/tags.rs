//! AddTagsToStream, ListTagsForStream and RemoveTagsFromStream.

use core::ops::Bound;
use std::collections::BTreeMap;

use super::{Call, members};
use crate::codec::{Fields, Writer};
use crate::error::ServiceError;

/// Most tags that a stream has; the longest names and values, in characters. Source: AddTagsToStream.
const TAGS_MAX: usize = 50;
const NAME_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

pub(super) fn of_request(fields: &Fields<'_>) -> Result<BTreeMap<String, String>, ServiceError> {
    let tags = fields.object("Tags")?.ok_or_else(|| ServiceError::missing("tags"))?;
    if tags.len() == 0 {
        return Err(ServiceError::validation(
            "tags",
            "'{}'",
            "have length greater than or equal to 1",
        ));
    }
    let tag = |(name, value): (&str, &crate::codec::Value<'_>)| {
        let value = value.as_text("Tags")?;
        let (names, values) = (name.chars().count(), value.chars().count());
        if names == 0 || names > NAME_CHARS_MAX || values > VALUE_CHARS_MAX {
            return Err(ServiceError::argument(format!(
                "A tag has a key of 1 to {NAME_CHARS_MAX} characters and a value of up to {VALUE_CHARS_MAX}"
            )));
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    tags.iter().map(tag).collect()
}

pub(super) fn add(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let tags = of_request(call.fields)?;
    call.kinesis.with(&name, call.now, |stream| {
        let new = tags.keys().filter(|name| !stream.tags.contains_key(*name)).count();
        if stream.tags.len() + new > TAGS_MAX {
            return Err(ServiceError::argument(format!(
                "Failed to add tags to stream {name}: it would have more than {TAGS_MAX} tags"
            )));
        }
        stream.tags.extend(tags);
        Ok(())
    })
}

pub(super) fn list(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let limit = members::bounded(call.fields, "Limit", 1, TAGS_MAX as i64)?.unwrap_or(TAGS_MAX);
    let after = call.fields.text("ExclusiveStartTagKey")?;
    call.kinesis.with(&name, call.now, |stream| {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut tags = stream.tags.range::<str, _>((from, Bound::Unbounded));
        writer.name("Tags").begin_list();
        for (name, value) in tags.by_ref().take(limit) {
            writer.begin_object();
            writer.name("Key").text(name);
            writer.name("Value").text(value);
            writer.end_object();
        }
        writer.end_list();
        writer.name("HasMoreTags").boolean(tags.next().is_some());
        Ok(())
    })
}

pub(super) fn remove(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let names = call.fields.list("TagKeys")?.ok_or_else(|| ServiceError::missing("tagKeys"))?;
    let names: Vec<&str> =
        names.iter().map(|name| name.as_text("TagKeys")).collect::<Result<_, _>>()?;
    call.kinesis.with(&name, call.now, |stream| {
        names.iter().for_each(|name| drop(stream.tags.remove(*name)));
        Ok(())
    })
}
