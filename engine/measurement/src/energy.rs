//! Energy that the CPU says it used, where the system lets one read it (Linux, mostly as root).

use std::fs;
use std::path::{Path, PathBuf};

/// Where Linux shows the counters of the CPU packages.
const POWERCAP: &str = "/sys/class/powercap";

/// The counters of all packages.
#[derive(Debug)]
pub struct EnergyMeter {
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    counter: PathBuf,
    /// The counter goes from here back to zero.
    max_uj: u64,
    last_uj: u64,
}

impl EnergyMeter {
    /// `None` where nothing can be read.
    pub fn find() -> Option<Self> {
        Self::find_in(Path::new(POWERCAP))
    }

    fn find_in(folder: &Path) -> Option<Self> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // `intel-rapl:0` is a package, on AMD too; `intel-rapl:0:1` is a part of it.
            if !name.starts_with("intel-rapl:") || name.matches(':').count() != 1 {
                continue;
            }
            let counter = entry.path().join("energy_uj");
            let max_uj = number(&entry.path().join("max_energy_range_uj")).unwrap_or(u64::MAX);
            if let Some(last_uj) = number(&counter) {
                packages.push(Package { counter, max_uj, last_uj });
            }
        }
        (!packages.is_empty()).then_some(Self { packages })
    }

    /// Joules since the last call, or since the meter was found. The whole package counts, whoever
    /// keeps it busy.
    pub fn joules(&mut self) -> f64 {
        let mut used_uj = 0;
        for package in &mut self.packages {
            if let Some(now_uj) = number(&package.counter) {
                let wrapped = if now_uj < package.last_uj { package.max_uj } else { 0 };
                used_uj += now_uj.saturating_add(wrapped).saturating_sub(package.last_uj);
                package.last_uj = now_uj;
            }
        }
        used_uj as f64 / 1e6
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_add_up_parts_do_not_count_and_a_counter_may_start_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(EnergyMeter::find_in(folder.path()).is_none());
        let set = |name: &str, uj: u64| {
            let package = folder.path().join(name);
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join("energy_uj"), format!("{uj}\n")).unwrap();
            fs::write(package.join("max_energy_range_uj"), "10000000\n").unwrap();
        };
        set("intel-rapl:0", 9_000_000);
        set("intel-rapl:0:0", 1);
        set("intel-rapl:1", 0);
        let mut meter = EnergyMeter::find_in(folder.path()).unwrap();
        set("intel-rapl:0", 1_000_000);
        set("intel-rapl:0:0", 5_000_000);
        set("intel-rapl:1", 500_000);
        assert!((meter.joules() - 2.5).abs() < 1e-9);
        assert_eq!(meter.joules(), 0.0);
    }
}
