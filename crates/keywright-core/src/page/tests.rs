//! What every page must have.

use strum::VariantArray;

use super::render::HEADINGS;
use super::*;

#[test]
fn every_cause_has_one_page_that_says_what_to_do() {
    for cause in Cause::VARIANTS {
        let page = cause_page(*cause);
        assert!(!page.title.is_empty() && !page.title.ends_with('.'), "{}", cause.slug());
        assert!(!page.fixes.is_empty(), "{} has no fix", cause.slug());
    }
    assert_eq!(files::CAUSES.len(), Cause::VARIANTS.len());
}

#[test]
fn every_placeholder_of_a_fix_is_known() {
    for cause in Cause::VARIANTS {
        for fix in fixes(*cause, "openai") {
            let text = format!("{} {}", fix.says, fix.command.unwrap_or_default());
            assert!(!text.contains('{') && !text.contains('}'), "{}: {text}", cause.slug());
        }
    }
}

#[test]
fn every_page_reads_well_from_top_to_bottom() {
    for page in pages() {
        let own: Vec<&str> = text::sections(page.body).map(|(heading, _)| heading).collect();
        let order: Vec<usize> = own.iter().filter_map(|own| HEADINGS.iter().position(|known| known == own)).collect();
        assert_eq!(order.len(), own.len(), "{}: an unknown heading in {own:?}", page.name);
        assert!(order.is_sorted(), "{}: the order of {own:?}", page.name);
        for (heading, reason) in &page.not_applicable {
            assert!(HEADINGS.contains(&heading.as_str()) && reason.ends_with('.'), "{}: {heading}", page.name);
            assert!(!own.contains(&heading.as_str()), "{}: `{heading}` is there and left out", page.name);
            assert_eq!(page.verdict(), Verdict::NotAuth, "{}: only look-alikes leave something out", page.name);
        }
        for part in document(page) {
            let known = ["{keys_url}", "{billing_url}", "{provider", "{variable}", "{client}", "{module}", "{model}"];
            assert!(!known.iter().any(|name| part.text.contains(name)), "{}: {}", page.name, part.text);
        }
    }
}

#[test]
fn every_program_has_a_scene_and_every_scene_a_program() {
    for page in pages() {
        let own: Vec<String> = text::snippets(page.body).into_iter().map(|snippet| snippet.name).collect();
        let scenes: Vec<&String> = page.scenes.keys().collect();
        assert!(own.iter().all(|name| scenes.contains(&name)), "{}: {own:?} and {scenes:?}", page.name);
        assert_eq!(own.len(), scenes.len(), "{}: {own:?} and {scenes:?}", page.name);
        assert_eq!(page.sdk.is_some(), !scenes.is_empty(), "{}: no such SDK", page.name);
        for (name, scene) in &page.scenes {
            let fails = scene.raises.is_some();
            assert_eq!(fails, name != "fixed", "{}: `fixed` alone must not fail", page.name);
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for page in pages() {
        for name in &page.related {
            assert!(pages().any(|other| other.name == name), "{}: {name}", page.name);
        }
        if page.cause.is_none() {
            let known = page.provider.as_deref().and_then(|id| Catalogue::builtin().provider(id));
            assert!(known.is_some() && !page.causes.is_empty(), "{}", page.name);
        }
    }
    for sdk in sdks().values() {
        assert!(Catalogue::builtin().provider(&sdk.provider).is_some(), "{}", sdk.name);
    }
    for run in &verified().runs {
        assert!(run.page == "shared" || pages().any(|page| page.name == run.page), "{}", run.page);
    }
}

#[test]
fn each_providers_exception_has_a_page() {
    for (provider, name) in [
        ("openai", Some("openai.AuthenticationError")),
        ("fireworks", Some("fireworks_ai.errors.AuthenticationError")),
        ("together", Some("together_ai.errors.AuthenticationError")),
        ("groq", None),
    ] {
        assert_eq!(exception_page(provider).map(|page| page.name), name);
    }
}
