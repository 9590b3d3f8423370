//! Clients: programs that call a provider with the keys of this machine, and survive a key that dies.

pub mod ring;
