//! What the name of a pool stands for. Decides, and touches nothing.

use crate::error::{Error, Result};

/// The name under which the embedded default's volumes are on record, and by which it can be had.
pub(crate) const EMBEDDED: &str = "embedded";

/// The same for images.
pub(crate) const IMAGES: &str = "images";

/// All pools that are set up.
pub(crate) const AUTO: &str = "auto";

/// Tells whether a name stands for something else than a pool of that name.
pub(crate) fn is_reserved(name: &str) -> bool {
    [EMBEDDED, IMAGES, AUTO].contains(&name)
}

/// Where volumes may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    Embedded,
    Images,
    /// Whichever pool is set up.
    Auto,
    /// These pools, each once.
    Pools(Vec<&'a str>),
}

impl<'a> Named<'a> {
    /// Reads a name, or several that are separated by commas.
    ///
    /// # Errors
    ///
    /// [`Error::PoolName`] for a list in which a name is missing, or stands for something else than a pool:
    /// a test that was promised an LV must not be handed a file because a disk is full.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        match text {
            EMBEDDED => return Ok(Self::Embedded),
            IMAGES => return Ok(Self::Images),
            AUTO => return Ok(Self::Auto),
            _ if !text.contains(',') => return Ok(Self::Pools(vec![text])),
            _ => {}
        }
        let bad = |reason: String| Error::PoolName {
            what: "list of pools",
            name: text.to_owned(),
            reason,
        };
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(bad(
                    "there is no name between two commas, or beside one".to_owned()
                ));
            }
            if is_reserved(name) {
                let reason = format!(
                    "`{name}` stands alone or not at all: it is no pool that another could take the place of"
                );
                return Err(bad(reason));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self::Pools(names))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("fast", Named::Pools(vec!["fast"]))]
    #[case::several("fast,sata", Named::Pools(vec!["fast", "sata"]))]
    #[case::with_blanks("fast, sata", Named::Pools(vec!["fast", "sata"]))]
    #[case::each_counts_once("fast,sata,fast", Named::Pools(vec!["fast", "sata"]))]
    #[case::all("auto", Named::Auto)]
    #[case::loop_devices("embedded", Named::Embedded)]
    #[case::files("images", Named::Images)]
    #[case::of_which_no_pool_has_the_name("automatic", Named::Pools(vec!["automatic"]))]
    fn a_name_stands_for(#[case] text: &str, #[case] expected: Named) {
        assert_eq!(Named::parse(text).unwrap(), expected);
    }

    #[rstest]
    #[case::nothing_between(",", "there is no name")]
    #[case::nothing_at_the_end("fast,", "there is no name")]
    #[case::a_file_is_no_fallback("fast,images", "`images` stands alone")]
    #[case::nor_is_a_loop_device("embedded,fast", "`embedded` stands alone")]
    #[case::all_and_one("auto,fast", "`auto` stands alone")]
    fn a_list_is_refused(#[case] text: &str, #[case] why: &str) {
        let said = Named::parse(text).unwrap_err().to_string();
        assert!(said.contains(why) && said.contains(text), "{said}");
    }
}
