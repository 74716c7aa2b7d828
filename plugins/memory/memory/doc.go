// Package memory is the plugin "memory": a cache in the memory of its process.
//
// It keeps the contract of storage.Backend but for one thing: an object may
// vanish at any time, as if somebody had deleted it. What is kept within
// max_bytes is what is used often and lately (W-TinyLFU). So it is a child for
// policies such as prefer_cache, and no place for the only copy of anything.
//
// # Who owns the memory
//
// A value is copied once, when it is put. From then on it does not change: all
// readers share it, and one that is still being read when it is replaced or
// forgotten lives on until its last reader lets go, outside of the bound. The
// metadata of a returned object is the caller's own.
package memory
