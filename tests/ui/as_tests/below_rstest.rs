use kdev_volumes::kdev_volumes;
use rstest::rstest;

#[rstest]
#[kdev_volumes(test = "1G")]
#[case(1)]
#[case(2)]
fn name(#[case] number: u32) {
    let _ = number;
}

#[rstest]
#[case::a(1)]
#[case::b(2)]
#[kdev_volumes(test = "1G")]
fn below_all(#[case] number: u32) {
    let _ = number;
}

#[rstest]
#[kdev_volumes(test = "1G")]
fn with_values(#[values(1, 2)] number: u32) {
    let _ = number;
}
