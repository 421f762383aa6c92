// Package celery reads and writes what messages of Celery are made of: bodies with their
// content types, encodings and compressions ([Body]), protocol 1 ([Upgrade]), values of
// headers, times in ISO 8601 ([ParseTime]), numbers of seconds, the typed values of kombu
// ([ReadValue]), and the numbers that Python writes and JSON does not have ([ToJSON],
// [ToPython]).
//
// It is pure: no network, no state. What a task, a signature and its options are is in
// package workers.
package celery
