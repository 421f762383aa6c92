// Package canvas is what Celery's module canvas is: tasks put together. A [Signature] is a
// call as data, or a chain, a group or a chord of calls, which lie in one another.
//
// A canvas is sent in two steps. [Freeze] gives every task of it its id, and brings it into
// a form in which chains hold no chains, and callbacks hang where they are called; what one
// task hands to the next is checked where the types are known ([Fits]). How large a canvas
// may be, [Measure] says.
//
// It is pure: no network, no state. Who sends what, and keeps it, is package workers.
package canvas
