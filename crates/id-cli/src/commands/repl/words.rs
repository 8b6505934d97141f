//! The words of a line, as a shell would see them.

use crate::exit::Stop;

/// Splits a line into words; none if it is blank or a comment.
pub(super) fn split(line: &str) -> Result<Vec<String>, Stop> {
    shlex::split(line).ok_or_else(|| {
        Stop::usage("a quote is opened and not closed, or a backslash ends the line")
            .with_hint("quote as in a shell: 'my node'")
    })
}

/// Whether a line may hold a secret, so that it must not be kept.
///
/// Rather one too many: a flag may be misspelt, and a ticket may be damaged and still hold one.
pub(super) fn may_be_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    let harmless = line.replace("--topic-secret-file", "").replace("--with-secret", "");
    harmless.contains("secret") || line.split_whitespace().any(is_invitation)
}

fn is_invitation(word: &str) -> bool {
    use id_client::id_proto::Ticket;
    const KIND: &str = "idticket";
    word.find(KIND).is_some_and(|at| match word[at..].trim_matches(['"', '\'', ',']).parse() {
        Ok(Ticket { invitation, .. }) => invitation.is_some(),
        Err(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use id_client::id_proto::{Invitation, Network, Ticket};

    use super::*;

    #[test]
    fn words_are_split_as_in_a_shell_and_comments_are_none() {
        assert_eq!(split("explain '@my node'  # why?").unwrap(), ["explain", "@my node"]);
        for blank in ["", "  \t", "# peers", "   # peers"] {
            assert!(split(blank).unwrap().is_empty(), "{blank}");
        }
        for open in ["peers 'a", "peers \"a", "peers \\"] {
            assert_eq!(split(open).unwrap_err().exit, crate::exit::Exit::Usage, "{open}");
        }
    }

    #[test]
    fn line_with_a_secret_is_known_even_if_it_is_misspelt() {
        let network_tag = Network::public().tag();
        let ticket = |invitation| Ticket { network_tag, peers: vec![], invitation }.to_string();
        let invites =
            ticket(Some(Invitation { topic: "office".to_owned(), secret: "x".to_owned() }));
        for secret in [
            "peers --topic-secret hunter2",
            "peers --topic-secret=hunter2",
            "peers --Topic-Secrett hunter2",
            "peers --secret hunter2",
            &format!("status {invites}"),
            &format!("status \"{invites}\""),
            &format!("peers --bootstrap=9f86@192.0.2.7:4433,{invites}"),
            &format!("status {}", &invites[..40]),
        ] {
            assert!(may_be_secret(secret), "{secret}");
        }
        for harmless in [
            "peers --depth -1",
            "peers --topic office --topic-secret-file secrets",
            "ticket --with-secret",
            &format!("status {}", ticket(None)),
        ] {
            let is_file = harmless.contains("secrets");
            assert_eq!(may_be_secret(harmless), is_file, "{harmless}");
        }
    }
}
