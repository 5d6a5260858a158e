//! Whether the knowledge answers what it is asked: topics of playbooks, questions of tests.
//!
//! Matching is by words, not by meaning, so that the answer is the same on every machine and a person can see why:
//! small words are dropped, common endings cut, and an article answers when it holds enough of what is left.

use std::collections::{BTreeSet, HashMap};

use super::facts::Fact;

/// An article.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Article {
    /// Its name, as playbooks refer to it.
    pub name: String,
    /// Its title.
    pub title: String,
}

impl Fact for Article {
    fn key(&self) -> Vec<String> {
        vec![self.name.clone(), self.title.clone()]
    }
}

/// A topic or question.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AskedTopic")]
pub struct Asked {
    /// The topic or question.
    pub text: String,
    /// Who asks: ``playbook `refund` ``, ``test `opening` ``.
    pub by: String,
    /// The article that answers; absent where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
}

impl Fact for Asked {
    fn key(&self) -> Vec<String> {
        vec![self.text.clone(), self.by.clone(), self.article.clone().unwrap_or_default()]
    }
}

/// Articles and what is asked of them.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// The articles, in order.
    pub articles: Vec<Article>,
    /// Topics and questions, each with its answer.
    pub asked: Vec<Asked>,
    /// Articles that nothing leads to.
    pub unused: Vec<String>,
}

/// An article as it is searched.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// Its name and title.
    pub article: Article,
    /// What it claims to answer.
    pub questions: Vec<String>,
    /// Its text.
    pub body: &'a str,
}

/// Questions that are matched; more would be slow and nobody would read them.
const MOST_ASKED: usize = 500;

/// Words that are looked at in a question.
const WORDS_ASKED: usize = 40;

/// Words that carry no topic.
const SMALL: [&str; 49] = [
    "a", "about", "am", "an", "and", "any", "are", "at", "be", "by", "can", "could", "do", "does", "for", "from",
    "get", "have", "how", "i", "if", "in", "is", "it", "me", "my", "need", "of", "on", "or", "our", "please", "s",
    "should", "that", "the", "there", "this", "to", "we", "what", "when", "where", "which", "who", "will", "with",
    "you", "your",
];

/// Matches topics and questions (text, asker) with articles; `named` are articles that something names directly.
pub(super) fn cover(contents: Vec<Content<'_>>, asked: Vec<(String, String)>, named: &BTreeSet<&str>) -> Coverage {
    let index = Index::of(&contents);
    let asked: Vec<Asked> = asked
        .into_iter()
        .take(MOST_ASKED)
        .map(|(text, by)| {
            let article = index.answer(&text).map(|at| contents[at].article.name.clone());
            Asked { text, by, article }
        })
        .collect();
    let answering: BTreeSet<&str> = asked.iter().filter_map(|asked| asked.article.as_deref()).collect();
    let articles: Vec<Article> = contents.into_iter().map(|content| content.article).collect();
    let unused = articles
        .iter()
        .map(|article| article.name.as_str())
        .filter(|name| !named.contains(name) && !answering.contains(name))
        .map(str::to_owned)
        .collect();
    Coverage { unused, asked, articles }
}

/// From a word to the articles that have it, and whether in their title or questions.
#[derive(Debug)]
pub struct Index {
    places: HashMap<String, Vec<(usize, bool)>>,
}

impl Index {
    /// An index of `contents`.
    pub fn of(contents: &[Content<'_>]) -> Self {
        let mut places: HashMap<String, Vec<(usize, bool)>> = HashMap::new();
        for (at, content) in contents.iter().enumerate() {
            let head: BTreeSet<String> = [&content.article.name, &content.article.title]
                .into_iter()
                .chain(&content.questions)
                .flat_map(|text| words(text))
                .collect();
            let body: BTreeSet<String> = words(content.body).filter(|word| !head.contains(word)).collect();
            let all = head.into_iter().map(|word| (word, true)).chain(body.into_iter().map(|word| (word, false)));
            for (word, in_head) in all {
                places.entry(word).or_default().push((at, in_head));
            }
        }
        Index { places }
    }

    /// The article that answers `text` best, if one answers it at all: its place among the contents.
    pub fn answer(&self, text: &str) -> Option<usize> {
        let mut sought: BTreeSet<String> = words(text).filter(|word| !is_small(word)).take(WORDS_ASKED).collect();
        if sought.is_empty() {
            sought = words(text).take(WORDS_ASKED).collect();
        }
        let mut hits: HashMap<usize, (usize, usize)> = HashMap::new();
        for word in &sought {
            for &(at, in_head) in self.places.get(word).into_iter().flatten() {
                let (head, all) = hits.entry(at).or_default();
                *head += usize::from(in_head);
                *all += 1;
            }
        }
        let enough = |head: usize, all: usize| match sought.len() {
            0 => false,
            few @ 1..=2 => all == few,
            many => all == many || (head > 0 && all * 5 >= many * 3),
        };
        hits.into_iter()
            .filter(|(_, (head, all))| enough(*head, *all))
            .max_by_key(|(at, (head, all))| (*all, *head, std::cmp::Reverse(*at)))
            .map(|(at, _)| at)
    }
}

/// The words of a text, folded. Signs of scripts that write without blanks count as a word each.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).flat_map(|word| {
        if word.chars().any(|letter| ('\u{2E80}'..='\u{D7AF}').contains(&letter)) {
            word.chars().map(String::from).collect()
        } else {
            vec![fold(word)]
        }
    })
}

/// Whether a folded word carries no topic.
pub fn is_small(word: &str) -> bool {
    SMALL.contains(&word)
}

fn fold(word: &str) -> String {
    let word = word.to_lowercase();
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    let singular = word.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with('s')).unwrap_or(&word);
    let stem = ["ing", "ed"].iter().find_map(|ending| singular.strip_suffix(ending)).filter(|stem| stem.len() > 3);
    stem.unwrap_or(singular).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(name: &str, title: &str, questions: &[&str], body: &'a str) -> Content<'a> {
        let article = Article { name: name.into(), title: title.into() };
        Content { article, questions: questions.iter().map(|text| (*text).to_owned()).collect(), body }
    }

    #[test]
    fn questions_find_their_article_by_words() {
        let contents = vec![
            content("opening", "Opening hours", &["When are you open?"], "We open at nine."),
            content("refunds", "Refund policy", &[], "Refunds take five days. Deliveries are not refunded."),
            content("legal", "Imprint", &[], "Company number 1."),
        ];
        let asked = [
            ("what are your opening hours on Sundays", Some("opening")),
            ("refunds", Some("refunds")),
            ("delivery refund", Some("refunds")),
            ("do you sell bicycles", None),
            ("loyalty programme", None),
        ];
        let asks = asked.iter().map(|(text, _)| ((*text).to_owned(), "test".to_owned())).collect();
        let coverage = cover(contents, asks, &BTreeSet::new());
        for (found, (text, expected)) in coverage.asked.iter().zip(asked) {
            assert_eq!(found.article.as_deref(), expected, "{text}");
        }
        assert_eq!(coverage.unused, ["legal"]);
    }
}
