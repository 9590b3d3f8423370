use keywright_core::Redactor;

use super::*;

#[test]
fn a_diagnosis_says_how_often_the_text_says_so() {
    let text = "Error code: 401 - {'error': {'message': 'Incorrect API key provided: None'}}\n".repeat(3);
    let found = keywright_core::text::explain(text.as_bytes(), &Redactor::default());
    let told = Told::new(found.into_iter().next().expect("a failure"), "x.log");
    assert_eq!(told.place, "x.log:1");
    assert!(
        told.diagnosis
            .evidence
            .iter()
            .any(|evidence| evidence.says == "the same message stands 2 more times further down")
    );
}
