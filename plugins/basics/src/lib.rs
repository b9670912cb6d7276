//! Four general-purpose transforms: `filter`, `route`, `fields` and `mask`.

mod edit;
mod fields;
mod filter;
mod mask;
mod path;
mod pattern;
mod route;

use tidegate_plugin::export_plugin;

export_plugin! {
    transform "filter": filter::Filter,
    transform "route": route::Route,
    transform "fields": fields::Fields,
    transform "mask": mask::Mask,
}
