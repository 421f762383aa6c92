// Package jsapi asks JetStream until it answers.
//
// A server that restarts, or a cluster that elects a leader, leaves requests without an
// answer. The functions of this package ask again until there is one, or until the context
// ends: [Ask] for what only looks, [Change] for what is the same when it is done twice. A
// [Client] does so for all of the API's own calls. [IsError] tells JetStream's errors apart
// by their codes.
//
// [ReadBatch], [ReadFirst] and [CountFrom] read from whichever server has the stream;
// [ReadOne], [ReadNext] and [ReadLast] from its leader, which knows everything that was
// confirmed.
//
// It also has what waiting takes: [Sleep] and [Backoff], which end with a context, and
// [KeyedLocks].
package jsapi
