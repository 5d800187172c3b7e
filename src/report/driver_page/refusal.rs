//! Describes the refusals of a driver.

use super::{codes, evidence};
use crate::subject::driver::On;
use crate::subject::driver::refusal::{Refused, Setting, Taken, What};

pub(super) fn describe(refused: &Refused) -> String {
    let what = match refused.what {
        What::Keyword(words) => codes(words),
        What::KeywordBeside(words, other) => format!("{} with `{other}`", codes(words)),
        What::KeywordWithout(words, other) => format!("{} without `{other}`", codes(words)),
        What::ValueOtherThan(words, values) => format!("{} other than {}", codes(words), codes(values)),
        What::Value(words, values) => format!("{} with {}", codes(words), codes(values)),
        What::SecondEqualsSign => "an option with a second `=`".to_owned(),
        What::Element(elements) => format!("an element {}", codes(elements)),
        What::OtherThanHandle(word, handle) => {
            format!("`{word}` other than the end of a volumeHandle `{handle}`")
        }
        What::VersionOtherThan(versions) => format!("a version other than {}", codes(versions)),
        What::EmptyElement => "an empty element".to_owned(),
        What::Setting(setting) => setting_of(setting),
        What::OtherAttributes(known) => format!("a volume attribute other than {}", codes(known)),
        What::Handle(taken) => format!("a volumeHandle{}", not_taken(taken)),
        What::FirstAccessMode(mode) => format!("first access mode {mode}"),
        What::FsTypeOtherThan(types) => {
            let named: Vec<_> = types.iter().copied().filter(|found| !found.is_empty()).collect();
            format!("an fsType other than {}", codes(&named))
        }
    };
    let when = refused.when.map_or_else(String::new, |when| format!(", with {}", evidence(&when)));
    let since = refused.since.map_or_else(String::new, |since| format!(", since {since}"));
    format!("{what}{when}{since}")
}

fn setting_of(setting: Setting) -> String {
    let on = match setting.on {
        On::Both => "",
        On::Class => " of a class",
        On::Volume => " of a volume",
        On::Inline => " of an inline volume",
    };
    format!("`{}`{on}{}", setting.key, not_taken(setting.taken))
}

fn not_taken(taken: Taken) -> String {
    match taken {
        Taken::Nothing => String::new(),
        Taken::Like(values) => {
            let (empty, named): (Vec<_>, Vec<_>) = values.iter().partition(|value| value.is_empty());
            let or_empty = if empty.is_empty() { "" } else { " or empty" };
            format!(" other than {}{or_empty}", codes(&named))
        }
        Taken::Boolean => " that is not a boolean".to_owned(),
        Taken::Address => " that is not an IP address".to_owned(),
        Taken::AddressMap => " with a text that is not an IP address".to_owned(),
        Taken::Unlike(patterns) => format!(" like {}", codes(patterns)),
        Taken::Word => " with whitespace or a mark of a shell".to_owned(),
        Taken::NoVersionBut(prefix) => format!(" with a version not written `{prefix}`"),
    }
}
