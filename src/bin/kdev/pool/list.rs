use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::Pools;

use crate::table::Table;

pub(super) fn run(pools: &Pools, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    out.extend_from_slice(list(pools)?.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn list(pools: &Pools) -> Result<String, Error> {
    let list = pools.list()?;
    if list.is_empty() {
        return Ok("no pool is set up (make one with `kdev pool setup --device=DEVICE`)\n".to_owned());
    }
    let mut table = Table::new(["POOL", "DEVICE", "VG", "LV PREFIX", "CREATED", "BY"]);
    for pool in list {
        let device = pool.device.display().to_string();
        table.row([
            pool.name,
            device,
            pool.vg_name,
            pool.lv_prefix,
            pool.created_at,
            pool.created_by,
        ]);
    }
    Ok(table.to_string())
}
