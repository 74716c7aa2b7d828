// Package supervisor keeps one plugin process alive: launch, handshake, health, restart with backoff, quarantine, stop.
//
// [New] makes a [Process], [Process.Start] launches it and goes on supervising until [Process.Stop]. A successor is
// launched only after its predecessor is dead and reaped, so that a write given up on one process cannot land behind the
// back of the next.
//
// # The process
//
// What runs is a private copy of judged bytes ([trust.Store]), in the working directory /, with an environment that is
// built from an allow-list. Its sockets lie in a private directory with a short path ([RunDir]), and the host talks to
// nobody who listens there but a member of the plugin's process group. What it writes to stdout and stderr is always
// read, in bounded memory, and arrives in the host's log with level and fields; only the handshake line reaches go-plugin.
//
// # Its end
//
// A plugin leads its own process group. It ends with the host, however that ends: the kernel kills it when the thread
// that forked it goes (which is locked, and lives as long as the child), and the host's end of its stdin closes. What it
// has started itself dies with it when the host is alive, and is found and killed by the next host's [OpenRunDir] when
// not. No wait of the host depends on the plugin: the last step is always SIGKILL for the group, which also ends a
// stopped process, and pipes that an escaped grandchild holds open are closed after half a second.
package supervisor
