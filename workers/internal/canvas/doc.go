// Package canvas is what Celery's module canvas is: tasks put together. A [Signature] is a
// call as data, or a chain, a group or a chord of calls, which lie in one another.
//
// A canvas is sent in two steps. [Freeze] gives every task of it its id, and brings it into
// a form in which chains hold no chains, and callbacks hang where they are called; what one
// task hands to the next is checked where the types are known ([Fits]). How large a canvas
// may be, [Measure] says.
//
// Then the evaluator says what each event brings about, as [Effects]: what is to be sent
// when a canvas begins ([Effects.Start]), and what follows when a task of it has succeeded
// ([Effects.Succeed]), has failed ([Effects.Fail]) or does not run any more
// ([Effects.Stop]). A task carries all that is needed for that, its [Position]: the steps
// behind it, or the [Plan] that says where they are kept, and the group that waits for it.
// A group whose results are wanted is a [Join], and each of its members fills a [Slot].
//
// As all ids are fixed, an event that is evaluated twice has the same effects: who carries
// them out may die at any step, and somebody else does it again. Package canvastest plays
// random canvases so, and compares what becomes of them with what must.
//
// It is pure: no network, no state. Who sends what, and keeps it, is package workers.
package canvas
