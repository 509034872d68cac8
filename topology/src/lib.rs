//! The site map: parse, check, look an address up, paths, distribution forest.
