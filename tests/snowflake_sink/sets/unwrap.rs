//! With the transform `unwrap`, tables are the same as without.

use tidegate_tests::artifacts;

use super::{Connector, Pipe};

#[test]
fn unwrapped_rows_have_the_effect_of_their_events() {
    for mode in ["tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"] {
        let Some(pipe) = Pipe::find(&format!("unwrap_{mode}").replace('-', "_")) else { return };
        pipe.home.add_library(artifacts().library("basics"));
        pipe.load("shop-string", "json-schema", 1);
        let more = format!(
            "[[transforms]]\nplugin = \"unwrap\"\n[transforms.config]\n\"delete.tombstone.handling.mode\" = \"{mode}\"\n\
             \"add.fields\" = \"op,source.ts_ms\"\n"
        );
        pipe.connector(Connector { batch: Some(100), more: &more, ..Connector::default() });
        pipe.run();
        let values = pipe.expect_final("shop-string", "json-schema");
        println!("{mode}: {values} values are equal");
    }
}

#[test]
fn renamed_fields_of_the_event_are_columns() {
    let Some(pipe) = Pipe::find("unwrap_columns") else { return };
    pipe.home.add_library(artifacts().library("basics"));
    pipe.load("shop-string", "json-schema", 1);
    let more = "[[transforms]]\nplugin = \"unwrap\"\n[transforms.config]\n\"add.fields\" = [\"op:last_op\", \"source.lsn:LSN\"]\n\
                \"add.fields.prefix\" = \"\"\n[[transforms]]\nplugin = \"enrich\"\n[transforms.config.fields]\n\
                region = { constant = \"eu\" }\n";
    pipe.connector(Connector { more, ..Connector::default() });
    pipe.run();
    let columns = pipe.columns("customers");
    for column in ["LSN", "last_op", "region"] {
        assert!(columns.iter().any(|known| known.starts_with(&format!("{column} "))), "{columns:?}");
    }
    let regions = pipe.select("DISTINCT \"region\"", "customers");
    assert_eq!(regions, ["eu"]);
}
