// Package supabasetest answers as a Supabase project does, for tests, benchmarks
// and chaos runs. A [Cluster] is a private PostgreSQL; a [Project] is one
// database of it behind an HTTP front with the gateway's keys, PostgREST's
// /rest/v1 and Storage's /storage/v1.
//
// SQL is executed by PostgreSQL itself, under the roles, default grants and
// statement timeouts that Supabase gives a project. What the front adds are the
// answers: statuses, headers and error bodies, and which requests reach the
// database at all. Where servers differ between versions the newer one is
// followed.
//
// A [Fault] breaks chosen requests at a chosen moment, and [Project.Outage] all
// of them. Nothing here uses chance or waits for a fixed time, so a test that
// injects faults is repeatable.
//
// What differs from a real project: postgres is a superuser, objects' metadata
// live in memory and not in the schema storage, there is no CDN, and no row
// level security on objects: service_role may do everything, others nothing.
package supabasetest
