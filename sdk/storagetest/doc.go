// Package storagetest is the conformance kit of Stowage: every rule of the
// storage contract as a small named case, run against any storage.Backend.
//
// A plugin author writes
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, storagetest.Harness{
//			Open: func(t testing.TB) storage.Backend { return open(t, t.TempDir()) },
//		})
//	}
//
// and a program without package testing calls [Check] and prints the [Report].
//
// The kit speaks to the backend through storage.Complete, as every host does.
// Capabilities decide what is run: what a backend declares must work, what it
// does not declare must answer Unimplemented, and every case that was not run
// says why. No case passes because an operation was silently ignored.
//
// All keys the kit touches begin with a prefix of their own, and it deletes
// them after each case, so a backend that holds other data can be checked too.
// Values larger than a few MiB are generated and compared as they stream.
package storagetest
