// Package celery reads and writes what messages of Celery are made of: bodies with their
// content types, encodings and compressions ([Body]), protocol 1 ([Upgrade]), values of
// headers, times in ISO 8601 ([ParseTime]), numbers of seconds, the typed values of kombu
// ([ReadValue]), and the numbers that Python writes and JSON does not have ([ToJSON],
// [ToPython]).
//
// It also has what signatures, messages and records have in common: ids of tasks and what
// they become in keys ([CheckID], [IDWord]), why a task has failed ([Failure]), when it is
// run again ([RetryPolicy]), and where a value is kept that is too large to travel
// ([Claim]).
//
// It is pure: no network, no state. What a signature and its options are is in package
// canvas.
package celery
