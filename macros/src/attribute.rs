//! What stands in the parentheses of `#[kdev_volumes(...)]`.

use kdev_volumes_spec::Spec;
use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Path, Result, Token, parse_quote};

use crate::errors::{all, both, refuse};
use crate::volumes::{Entry, spec};

/// What a test asks for.
pub(crate) struct Attribute {
    pub(crate) spec: Spec,
    /// Whether the test stays in the process of its runner.
    pub(crate) in_process: bool,
    /// By what path the library is found there.
    pub(crate) library: Path,
}

/// Reads what a test asks for, and checks it with the rules of the library itself.
pub(crate) fn parse(attribute: TokenStream) -> Result<Attribute> {
    let items = Punctuated::<Item, Token![,]>::parse_terminated.parse2(attribute)?;
    let (mut entries, mut in_process, mut library) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Volume(entry) => entries.push(entry),
            Item::InProcess(word) => in_process.push(word),
            Item::Library(word, path) => library.push((word, path)),
        }
    }
    let twice = all([
        in_process
            .get(1)
            .map_or(Ok(()), |word| refuse(word, "`in_process` stands twice")),
        library
            .get(1)
            .map_or(Ok(()), |(word, _)| refuse(word, "`crate` stands twice")),
    ]);
    let (spec, _) = both(spec(&entries), twice)?;
    Ok(Attribute {
        spec,
        in_process: !in_process.is_empty(),
        library: library
            .pop()
            .map_or_else(|| parse_quote!(::kdev_volumes), |(_, path)| path),
    })
}

/// What stands between two commas.
enum Item {
    Volume(Entry),
    /// The word alone.
    InProcess(Ident),
    /// `crate = "path"`.
    Library(Token![crate], Path),
}

impl Parse for Item {
    fn parse(input: ParseStream) -> Result<Self> {
        if input.peek(Token![crate]) {
            let word = input.parse()?;
            let wanted = "`crate` is the path of kdev-volumes where it has another name, such as `crate = \"renamed\"`";
            let path = input
                .parse::<Token![=]>()
                .and_then(|_| input.parse::<LitStr>())
                .and_then(|path| path.parse_with(Path::parse_mod_style));
            return path
                .map(|path| Self::Library(word, path))
                .map_err(|error| Error::new(error.span(), wanted));
        }
        // A volume may have the name; it has a size then.
        let ahead = input.fork();
        let is_alone = ahead.parse::<Ident>().is_ok_and(|word| word == "in_process")
            && (ahead.is_empty() || ahead.peek(Token![,]));
        Ok(match is_alone {
            true => Self::InProcess(input.parse()?),
            false => Self::Volume(input.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use rstest::rstest;

    use super::*;

    fn messages(attribute: &str) -> Vec<String> {
        let error = parse(attribute.parse().unwrap()).err().unwrap();
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[rstest]
    #[case(r#"test = "10G""#, &[("test", 10 << 30, "TEST_DEV", 0)])]
    #[case(r#"test = "10G","#, &[("test", 10 << 30, "TEST_DEV", 0)])]
    #[case("test = 4096", &[("test", 4096, "TEST_DEV", 0)])]
    #[case("test = 0x10_00", &[("test", 4096, "TEST_DEV", 0)])]
    #[case(r#"test(size = "1K")"#, &[("test", 1024, "TEST_DEV", 0)])]
    #[case(r#"test(order = 3, env = "MY_DEV", size = 1,)"#, &[("test", 1, "MY_DEV", 3)])]
    #[case("a(size = 1, order = 2), b = 2", &[("b", 2, "B_DEV", 0), ("a", 1, "A_DEV", 2)])]
    #[case("pool1 = 1, pool2 = 1", &[("pool1", 1, "SCRATCH_DEV_POOL", 0), ("pool2", 1, "SCRATCH_DEV_POOL", 0)])]
    #[case("disk = [1, 2]", &[("disk1", 1, "DISK1_DEV", 0), ("disk2", 2, "DISK2_DEV", 0)])]
    #[case(r#"pool = ["1K"; 2]"#, &[("pool1", 1024, "SCRATCH_DEV_POOL", 0), ("pool2", 1024, "SCRATCH_DEV_POOL", 0)])]
    #[case("pool(size = [1; 1], order = 1), test = 1", &[("test", 1, "TEST_DEV", 0), ("pool1", 1, "SCRATCH_DEV_POOL", 1)])]
    #[case("x(size = [1; 2], env = \"SCRATCH_DEV_POOL\")", &[("x1", 1, "SCRATCH_DEV_POOL", 0), ("x2", 1, "SCRATCH_DEV_POOL", 0)])]
    #[case("type = 1, r#in = 2", &[("type", 1, "TYPE_DEV", 0), ("in", 2, "IN_DEV", 0)])]
    fn a_volume_is_read_in_every_notation(
        #[case] attribute: &str,
        #[case] expected: &[(&str, u64, &str, u32)],
    ) {
        let spec = parse(attribute.parse().unwrap()).unwrap().spec;
        let read: Vec<_> = spec
            .volumes()
            .iter()
            .map(|v| (v.name(), v.size().get(), v.env(), v.order()))
            .collect();
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case("test = 1", false, "::kdev_volumes")]
    #[case("in_process, test = 1", true, "::kdev_volumes")]
    #[case("test = 1, in_process,", true, "::kdev_volumes")]
    #[case("in_process = 1", false, "::kdev_volumes")]
    #[case("crate = \"kv\", test = 1", false, "kv")]
    #[case("crate = \"::a::kv\", in_process, test = 1", true, "::a::kv")]
    fn settings_of_the_whole_test_stand_beside_its_volumes(
        #[case] attribute: &str,
        #[case] in_process: bool,
        #[case] library: &str,
    ) {
        let read = parse(attribute.parse().unwrap()).unwrap();
        let path = read.library.to_token_stream().to_string().replace(' ', "");
        assert_eq!((read.in_process, path.as_str()), (in_process, library));
        assert_eq!(read.spec.volumes().len(), 1);
    }

    #[rstest]
    #[case("", "no volume was asked for")]
    #[case("test", "volume `test` has no size")]
    #[case("test()", "volume `test` has no size")]
    #[case("test(order = 1)", "volume `test` has no size")]
    #[case(r#"test = "10Q""#, "unknown unit `Q`")]
    #[case("test = 0", "cannot be empty")]
    #[case("test = -1", "a string such as \"10G\"")]
    #[case("test = 1.5", "a string such as \"10G\"")]
    #[case("test = true", "a string such as \"10G\"")]
    #[case("test = SIZE", "a string such as \"10G\"")]
    #[case("test = b\"10G\"", "a string such as \"10G\"")]
    #[case("test = 10G", "in quotes: \"10G\"")]
    #[case("test = 99999999999999999999", "8 EiB")]
    #[case("test(size = 1, fs = 1)", "unknown key `fs`")]
    #[case("test(size = 1, size = 1)", "`size` stands twice")]
    #[case("test(size = 1, order = -1)", "an order is a whole number")]
    #[case("test(size = 1, order = 1u8)", "an order is a whole number")]
    #[case("test(size = 1, order = 4294967296)", "an order is a whole number")]
    #[case("test(size = 1, env = 1)", "is a string such as \"MY_DEV\"")]
    #[case("test(size = 1, env = \"1A\")", "bad environment variable `1A`")]
    #[case("Test = 1", "bad volume name `Test`")]
    #[case("self = 1", "cannot be named `self`")]
    #[case("crate = 1", "`crate` is the path of kdev-volumes")]
    #[case("crate = \"a b\"", "`crate` is the path of kdev-volumes")]
    #[case("crate", "`crate` is the path of kdev-volumes")]
    #[case("test = 1, crate = \"a\", crate = \"b\"", "`crate` stands twice")]
    #[case("in_process, test = 1, in_process", "`in_process` stands twice")]
    #[case("in_process", "no volume was asked for")]
    #[case("test = 1, test = 2", "two volumes are named `test`")]
    #[case("test = 1, x(size = 1, env = \"TEST_DEV\")", "`test` and `x` both want")]
    #[case("test(size = 1, mkfs = xfs)", "is a string such as \"ext4\"")]
    #[case("test(size = 1, mkfs = \"\")", "bad filesystem for volume `test`")]
    #[case("test(size = 1, mkfs = \"Ext4\")", "`Ext4` is no type")]
    #[case("test(size = [1; 3], mkfs = \"../sh\")", "bad filesystem for volume `test1`")]
    #[case("test(size = 1, mkfs_args = [\"-q\"])", "`mkfs_args` want a `mkfs`")]
    #[case("test(size = 1, mkfs = \"xfs\", mkfs_args = \"-q\")", "a list of strings")]
    #[case("test(size = 1, mkfs = \"xfs\", mkfs_args = [1])", "a list of strings")]
    #[case("test(size = 1, mkfs = \"xfs\", mkfs_args = [\"a\\0b\"])", "holds a NUL")]
    #[case("disk = []", "bad set `disk` of 0 volumes")]
    #[case("disk = [1; 0]", "bad set `disk` of 0 volumes")]
    #[case("disk = [1; 65]", "bad set `disk` of 65 volumes (from 1 to 64")]
    #[case("disk = [1; 1000000000000]", "bad set `disk` of 1000000000000 volumes")]
    #[case("disk = [1; 99999999999999999999]", "how many volumes")]
    #[case("disk = [1; COUNT]", "how many volumes")]
    #[case("disk = [1; 3usize]", "how many volumes")]
    #[case("disk = [1, true]", "a string such as \"10G\"")]
    #[case("disk = [[1]]", "a string such as \"10G\"")]
    #[case("disk = [\"10Q\"; 2]", "unknown unit `Q`")]
    #[case(
        "a23456789012345678901234567890123 = [1; 2]",
        "`a234567890123456789012345678901231` (at most 32"
    )]
    #[case(
        "disk(size = [1; 2], env = \"X\")",
        "`disk1` and `disk2` both want the environment variable `X`"
    )]
    #[case("disk1 = 1, disk = [1; 2]", "two volumes are named `disk1`")]
    #[case("test = 1, fstests = 1", "two volumes are named `test`")]
    #[case("fstests = 1, fstests = 1", "two volumes are named `test`")]
    #[case("fstests = [1; 2]", "`fstests` takes one size")]
    #[case("fstests = [1, 2]", "`fstests` takes one size")]
    #[case("fstests = true", "a string such as \"10G\"")]
    #[case("fstests", "volume `fstests` has no size")]
    #[case("fstests(size = 1, env = \"X\")", "both want the environment variable `X`")]
    #[case("test = 1 scratch = 1", "expected `,`")]
    #[case("\"10G\"", "a volume has a name")]
    #[case("test(\"10G\")", "such as `size = \"10G\"`")]
    fn a_mistake_is_one_error(#[case] attribute: &str, #[case] expected: &str) {
        let messages = messages(attribute);
        assert!(
            messages.len() == 1 && messages[0].contains(expected),
            "{messages:?}"
        );
    }

    #[rstest]
    #[case("test(size = 1, mkfs = \"xfs\")", &[])]
    #[case("test(mkfs_args = [], mkfs = \"xfs\", size = 1)", &[])]
    #[case("test(size = [1; 3], mkfs = \"xfs\", mkfs_args = [\"-m\", \"crc=1\",])", &["-m", "crc=1"])]
    fn a_filesystem_is_read_for_each_volume(#[case] attribute: &str, #[case] args: &[&str]) {
        let spec = parse(attribute.parse().unwrap()).unwrap().spec;
        for volume in spec.volumes() {
            assert_eq!(
                (volume.mkfs(), volume.mkfs_args()),
                (
                    Some("xfs"),
                    &*args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
                )
            );
        }
    }

    #[test]
    fn fstests_is_seven_volumes() {
        let spec = parse("fstests = 4096, more = 1".parse().unwrap()).unwrap().spec;
        let sizes: Vec<u64> = spec.volumes().iter().map(|v| v.size().get()).collect();
        assert_eq!(sizes, [4096, 4096, 4096, 4096, 4096, 4096, 4096, 1]);
        assert_eq!(spec.exports().len(), 4);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let messages = messages("Test = \"1X\", a(sise = 1, order = \"x\"), test = 1, test = 1, test = 1");
        let expected = [
            "bad size `1X`",
            "bad volume name `Test`",
            "volume `a` has no size",
            "unknown key `sise`",
            "an order is",
            "two volumes are named `test`",
            "two volumes are named `test`",
        ];
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, beginning) in messages.iter().zip(expected) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }
}
