//! A page a driver and the table of all of them, in Markdown: what docs/drivers/
//! and docs/drivers.md hold.

mod refusal;

use std::fmt::{self, Write as _};

use crate::subject::driver::assembly::{
    Addition, Cut, Emptiness, Empty, NoneWord, Step, Unless, Versioning, When,
};
use crate::subject::driver::conf::ConfOf;
use crate::subject::driver::evidence::Evidence;
use crate::subject::driver::{CarrierKey, Case, Driver, Inline, ListUse, Nfs, On, Role, drivers};

/// Returns a page's file name without its directory: the row's first name with what a file name
/// cannot hold replaced.
pub fn file_name(driver: &Driver) -> String {
    let name = driver.names.first().copied().unwrap_or_default();
    // Neither a slash of a provisioner nor the star of a pattern can be in the name of a file on every
    // system.
    format!("{}.md", name.replace('/', "_").replace('*', "x"))
}

/// Returns the page of one driver.
pub fn page(driver: &Driver) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, driver);
    page
}

/// Returns the table of all drivers that are or may be NFS, and the names of the others.
pub fn table() -> String {
    let mut page = String::from(
        "# Drivers\n\nFor readers who want to know what a provisioner or CSI driver does with NFS mount options before mount.nfs gets them.\n\
         `explain -f FILE` prints the same for one object. A driver that is not listed is *unknown*: only `bg` is denied, in\n\
         `mountOptions` and under every key whose last segment is one of ",
    );
    let keys: Vec<String> =
        crate::subject::driver::generic_keys().iter().map(|key| format!("`{key}`")).collect();
    let _ = write!(
        page,
        "{}\n(without regard to case, `_` and `-`). The same keys are evaluated with every driver of this table.\n\n",
        keys.join(", ")
    );
    page.push_str(
        "| driver | NFS | carriers in addition to mountOptions | order | an empty list means | adds | known |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|\n");
    for driver in drivers().filter(|driver| driver.nfs != Nfs::No) {
        let _ = writeln!(
            page,
            "| [{}](drivers/{}) | {} | {} | {} | {} | {} | {} |",
            names(driver.names),
            file_name(driver),
            nfs(driver),
            carriers(driver.carriers),
            order(driver.steps),
            empty(driver),
            adds(driver.steps),
            driver.known.describe()
        );
    }
    // Nothing of these is read, so a list of their names is enough.
    page.push_str("\n## Never NFS\n\nObjects of these drivers are admitted as they are, and the webhook is not called for them.\n\n");
    for driver in drivers().filter(|driver| driver.nfs == Nfs::No) {
        let _ = writeln!(page, "- {}: {}", driver.title, names(driver.names));
    }
    page
}

fn write_page(page: &mut String, driver: &Driver) -> fmt::Result {
    writeln!(page, "# {}\n", driver.title)?;
    writeln!(page, "Names: {}.\n", names(driver.names))?;
    if driver.nfs == Nfs::No {
        writeln!(page, "Never NFS: its objects are admitted as they are. Source: {}.", driver.source)?;
        return Ok(());
    }
    write_row(page, driver)?;
    for variant in driver.variants {
        let when = evidence(&variant.when);
        match when.strip_prefix("without ") {
            Some(when) => writeln!(page, "\n## Without {when}\n")?,
            None => writeln!(page, "\n## With {when}\n")?,
        }
        if variant.row.title != driver.title {
            writeln!(page, "{}.\n", variant.row.title)?;
        }
        write_row(page, variant.row)?;
    }
    Ok(())
}

fn write_row(page: &mut String, driver: &Driver) -> fmt::Result {
    if !driver.advice.is_empty() {
        writeln!(page, "Note: {}.\n", driver.advice)?;
    }
    writeln!(page, "| | |\n|---|---|")?;
    writeln!(page, "| NFS | {} |", nfs(driver))?;
    for clue in driver.clues {
        let verdict = match clue.verdict {
            Nfs::Yes => "NFS",
            Nfs::No => "not NFS",
            Nfs::Depends => "may be NFS",
        };
        writeln!(page, "| {verdict} with | {} |", evidence(&clue.evidence))?;
    }
    writeln!(page, "| mountOptions | {} |", list_use(driver))?;
    if !driver.carriers.is_empty() {
        writeln!(page, "| carriers | {} |", carriers(driver.carriers))?;
    }
    writeln!(page, "| order | {} |", order(driver.steps))?;
    match driver.cut {
        Cut::Elements => {}
        Cut::ElementsOfList => {
            writeln!(page, "| elements | the driver takes an element of mountOptions for one option |")?;
        }
        Cut::Options => {
            writeln!(page, "| elements | the driver handles each option of an element by itself |")?;
        }
    }
    writeln!(page, "| an empty list means | {} |", empty(driver))?;
    match (driver.inline, driver.inline.obstacle()) {
        // Nothing was read about it, so the page says nothing.
        (Inline::Unread, _) => {}
        (_, None) => writeln!(page, "| inline volumes of Pods | mounted |")?,
        (_, Some(obstacle)) => writeln!(page, "| inline volumes of Pods | {obstacle} |")?,
    }
    if driver.emptiness == Emptiness::NoElement {
        writeln!(page, "| empty is | a list without elements; one empty element counts |")?;
    }
    if !driver.takes_out.is_empty() {
        writeln!(
            page,
            "| takes out | {}: a list of nothing else counts as empty |",
            codes(driver.takes_out)
        )?;
    }
    if !driver.takes_versions.is_empty() {
        writeln!(page, "| takes out of mountOptions | {} |", versions(driver.takes_versions))?;
    }
    match driver.none_word {
        None => {}
        Some(NoneWord::Anywhere(word)) => {
            writeln!(page, "| no option at all | `{word}` alone, in any case |")?;
        }
        Some(NoneWord::OtherCarriers(word)) => {
            writeln!(page, "| no option at all | `{word}` alone, in any case, but not in mountOptions |")?;
        }
    }
    if !adds(driver.steps).is_empty() {
        writeln!(page, "| adds | {} |", adds(driver.steps))?;
    }
    if !driver.own_words.is_empty() {
        writeln!(page, "| own words | {} |", codes(driver.own_words))?;
    }
    if !driver.own_elements.is_empty() {
        writeln!(
            page,
            "| own elements | {}, in any case and as an element of its own |",
            codes(driver.own_elements)
        )?;
    }
    for refused in driver.refuses {
        writeln!(page, "| refuses | {} |", refusal::describe(refused))?;
    }
    writeln!(
        page,
        "| letters | {} |",
        match driver.case {
            Case::Kept => "as they are",
            Case::Folded => "lower-cased",
            Case::Unknown => "may be changed or trimmed",
        }
    )?;
    if driver.one_element {
        writeln!(
            page,
            "| one element | more than one element cannot be mounted in some setups; nothing is added |"
        )?;
    }
    if let Some(seconds) = driver.deadline {
        writeln!(page, "| gives up on a mount after | {seconds} s |")?;
    }
    if driver.advises_local_locks {
        writeln!(page, "| local locks | its vendor advises nolock, so NMG016 does not apply |")?;
    }
    if driver.nfsmount_conf != ConfOf::Unknown {
        writeln!(page, "| nfsmount.conf | {} |", driver.nfsmount_conf.describe())?;
    }
    writeln!(page, "| known | {} |", driver.known.describe())?;
    writeln!(page, "| source | {} |", driver.source)
}

fn codes(words: &[&str]) -> String {
    // Markdown makes no code of two backticks alone.
    let code = |word: &&str| if word.is_empty() { "`\"\"`".to_owned() } else { format!("`{word}`") };
    words.iter().map(code).collect::<Vec<_>>().join(", ")
}

fn names(names: &[&str]) -> String {
    codes(names)
}

fn nfs(driver: &Driver) -> &'static str {
    match driver.nfs {
        Nfs::Yes if driver.clues.is_empty() => "yes",
        Nfs::Yes => "yes, but for clues",
        Nfs::No => "no",
        Nfs::Depends => "depends",
    }
}

fn evidence(shown: &Evidence) -> String {
    match shown {
        // Clues are tried in order: after those with values the star is the rest.
        Evidence::Value(key, ["*"]) => format!("any other `{key}`"),
        Evidence::Value(key, values) => format!("`{key}`: {}", codes(values)),
        Evidence::Exact(key, ["*"]) => format!("any other `{key}` in this spelling"),
        Evidence::Exact(key, values) => format!("`{key}` in this spelling: {}", codes(values)),
        Evidence::ExactParameter(key, ["*"]) => format!("any other class's `{key}` in this spelling"),
        Evidence::ExactParameter(key, values) => {
            format!("a class's `{key}` in this spelling: {}", codes(values))
        }
        Evidence::ExactAttribute(key, values) => {
            format!("a volume's attribute `{key}` in this spelling: {}", codes(values))
        }
        Evidence::Key(key) => format!("the key `{key}`"),
        Evidence::NoKey(key) => format!("no key `{key}`"),
        Evidence::Text(key) => format!("a `{key}` that is not empty"),
        Evidence::Parameter(key, values) => format!("a class's `{key}`: {}", codes(values)),
        Evidence::Attribute(key, ["*"]) => format!("any other attribute `{key}` of a volume"),
        Evidence::Attribute(key, values) => format!("a volume's attribute `{key}`: {}", codes(values)),
        Evidence::NoAttribute(key, values) => {
            format!("a class, or a volume without the attribute `{key}`: {}", codes(values))
        }
        Evidence::FsType(["*"]) => "a file system type".to_owned(),
        Evidence::FsType(types) => format!("a file system type {}", codes(types)),
        Evidence::FsTypeOfClass(types) => format!("a class's file system type {}", codes(types)),
        Evidence::AccessMode(mode) => format!("access mode {mode}"),
        Evidence::NoAccessMode(modes) => format!("access modes without {}", modes.join(" and ")),
        Evidence::FirstAccessMode(mode) => format!("first access mode {mode}"),
        Evidence::FlexVolume => "a FlexVolume".to_owned(),
        Evidence::BlockMode => "volumeMode Block".to_owned(),
        Evidence::VolumeHandle(pattern) => format!("a volumeHandle `{pattern}`"),
        Evidence::ReadOnlySource => {
            "`readOnly: true` of the source (of a CSI driver: inline in a Pod only)".to_owned()
        }
        Evidence::All(all) => together(all, " and "),
        Evidence::Any(any) => together(any, " or "),
        Evidence::Not(several @ (Evidence::All(_) | Evidence::Any(_))) => {
            format!("not ({})", evidence(several))
        }
        Evidence::Not(without) => format!("without {}", evidence(without)),
    }
}

fn together(several: &[Evidence], word: &str) -> String {
    let describe = |one: &Evidence| match one {
        Evidence::All(_) | Evidence::Any(_) => format!("({})", evidence(one)),
        _ => evidence(one),
    };
    several.iter().map(describe).collect::<Vec<_>>().join(word)
}

fn list_use(driver: &Driver) -> &'static str {
    match driver.list {
        ListUse::Used => "reach the mount",
        ListUse::NotUsed => "do not reach the NFS mount",
    }
}

fn carriers(keys: &[CarrierKey]) -> String {
    let describe = |carrier: &CarrierKey| {
        let on = match carrier.on {
            On::Both => "class and volume",
            On::Class => "class",
            On::Volume => "volume",
            On::Inline => "inline volume",
        };
        let role = match carrier.role {
            Role::Joined => "joined with the list",
            Role::Sole | Role::SoleEvenEmpty => "replaces the defaults",
            Role::WhenListEmpty => "only while mountOptions is empty",
            Role::AnnotationWhenListEmpty => "only while mountOptions is empty, becomes the annotation",
            Role::Version => "the version",
            Role::Argument => "a word of the mount command, with the options after a `-o` in it",
            Role::Apart => "for another mount of the driver's own",
            Role::NotTaken => "not read",
        };
        let when = carrier.when.map_or_else(String::new, |when| format!(", with {}", evidence(&when)));
        format!("`{}` ({on}: {role}{when})", carrier.key)
    };
    keys.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn order(steps: &[Step]) -> String {
    let describe = |step: &Step| match step {
        Step::List => "the list".to_owned(),
        Step::Others => "the other carriers".to_owned(),
        Step::ReadOnly(when) => format!("`ro` with {}", evidence(when)),
        Step::Add(addition) => format!("`{}`", addition.options),
        Step::Version(_) => "`vers=`".to_owned(),
        Step::Split => "split at commas".to_owned(),
        Step::RetryWithout(prefix) => {
            format!("where mount.nfs refuses the versions, again without `{prefix}`")
        }
        Step::Sort => "sorted as a set".to_owned(),
        Step::KeepFirstOfEqual => "equal elements once".to_owned(),
        Step::OnePerKeyword => "one option a keyword, the last value".to_owned(),
        Step::Trim => "trimmed".to_owned(),
        Step::StripPrefix(prefix) => format!("`{}` taken off the front", prefix.trim()),
        Step::Shell => "through a shell".to_owned(),
    };
    steps.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn empty(driver: &Driver) -> String {
    let nothing = |defaults: &[&str]| {
        if defaults.is_empty() { "nothing".to_owned() } else { format!("`{}`", defaults.join(",")) }
    };
    match driver.empty {
        Empty::KernelDefaults if adds(driver.steps).is_empty() => "the kernel's defaults".to_owned(),
        Empty::KernelDefaults => "what the driver adds".to_owned(),
        Empty::DriverDefaults(defaults) => format!("{}, which any option replaces", nothing(defaults)),
        Empty::DriverDefaultsByVersion(v3, v4) => {
            format!("{} with NFSv3, {} with NFSv4, which any option replaces", nothing(v3), nothing(v4))
        }
        Empty::DriverDefaultsByCarrier(v3, v4) => format!(
            "{} where the carrier's version is 3, {} where it is 4, which any option replaces",
            nothing(v3),
            nothing(v4)
        ),
        Empty::Hidden => "options that are not visible here, which any option replaces".to_owned(),
    }
}

fn adds(steps: &[Step]) -> String {
    let describe = |step: &Step| match step {
        Step::Add(addition) => Some(addition_of(addition)),
        Step::Version(versioning) => Some(version_of(versioning)),
        _ => None,
    };
    steps.iter().filter_map(describe).collect::<Vec<_>>().join("; ")
}

fn addition_of(addition: &Addition) -> String {
    let unless = match addition.unless {
        Unless::Never => String::new(),
        Unless::Keyword(words) => format!(" unless {} is there", codes(words)),
        Unless::Element(words) => format!(" unless {} is an element", codes(words)),
        Unless::Key(key) => format!(" unless an element's key is `{key}`"),
        Unless::Longer(prefix) => format!(" unless an element begins with `{prefix}` and is longer"),
        Unless::Prefix(prefix) => format!(" unless an element begins with `{prefix}`"),
    };
    let when = match addition.when {
        When::Always => String::new(),
        When::Shows(what) => format!(" with {}", evidence(&what)),
        When::Holds(element) => format!(" with the element `{element}`"),
        When::VersionIs(version) => format!(" with version `{version}`"),
    };
    format!("`{}`{when}{unless}", addition.options)
}

fn version_of(versioning: &Versioning) -> String {
    let default = |(when, version): &(Option<Evidence>, &str)| match when {
        Some(when) => format!("`{version}` with {}", evidence(when)),
        None => format!("`{version}`"),
    };
    let defaults: Vec<String> = versioning.default.iter().map(default).collect();
    if defaults.is_empty() {
        "`vers=` where a version is given".to_owned()
    } else {
        format!("`vers=` with the version given, else {}", defaults.join(", else "))
    }
}

fn versions(versions: &[(&str, Option<&str>)]) -> String {
    let describe = |(text, becomes): &(&str, Option<&str>)| match becomes {
        Some(version) => format!("`{text}`, as version {version}"),
        None => format!("`{text}`, which is then ignored"),
    };
    versions.iter().map(describe).collect::<Vec<_>>().join("; ")
}
