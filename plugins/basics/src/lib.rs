//! Six general-purpose transforms: `filter`, `route`, `fields`, `mask`, `unwrap` and `enrich`.

mod edit;
mod enrich;
mod fields;
mod filter;
mod mask;
mod path;
mod pattern;
mod route;
mod text;
mod unwrap;

use tidegate_plugin::export_plugin;

export_plugin! {
    transform "filter": filter::Filter,
    transform "route": route::Route,
    transform "fields": fields::Fields,
    transform "mask": mask::Mask,
    transform "unwrap": unwrap::Unwrap,
    transform "enrich": enrich::Enrich,
}
