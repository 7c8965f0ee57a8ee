//! Nothing of its own: the benches beside this file are the content of the package.
