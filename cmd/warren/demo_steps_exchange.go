package main

import "fmt"

func playFanout(st *stage) {
	names := []string{"Ann", "Bob", "Eve"}
	loggers := make([]*program, len(names))
	for i, name := range names {
		loggers[i] = st.receiver(name, "", "receive-logs", name)
	}
	st.run("emit-log")
	for i, logger := range loggers {
		prefix := "Processing msg by " + names[i] + ": "
		st.await(logger, prefix, 5)
		st.tell.output(names[i], fmt.Sprintf("%s%s … %s", prefix, helloWorlds(0, 1)[0], helloWorlds(4, 5)[0]))
		st.check(names[i]+" got all five, in order", bodiesOf(logger, prefix), helloWorlds(0, 5))
	}
}

func playDirect(st *stage) {
	errors := st.receiver("errors", "", "receive-logs-direct", "error")
	all := st.receiver("all", "", "receive-logs-direct", "info", "warning", "error")
	st.run("emit-log-direct", "info", "Started")
	st.run("emit-log-direct", "error", "Disk is full")
	st.run("emit-log-direct", "debug", "Nobody wants this")
	st.run("emit-log-direct", "error", "Stopped")
	st.await(errors, received, 2)
	st.await(all, received, 3)
	st.show(errors)
	st.show(all)
	st.check("errors got the errors", bodiesOf(errors, received), []string{"'error':'Disk is full'", "'error':'Stopped'"})
	st.check("all got its three severities", bodiesOf(all, received),
		[]string{"'info':'Started'", "'error':'Disk is full'", "'error':'Stopped'"})
}

func playTopic(st *stage) {
	sms := st.receiver("sms", "", "receive-logs-topic", "app.notification.sms.#")
	sent := st.receiver("sent", "", "receive-logs-topic", "*.*.*.sent")
	st.run("emit-log-topic", "app.notification.sms", "one")
	st.run("emit-log-topic", "app.notification.email.sent", "two")
	st.run("emit-log-topic", "app.notification.sms.sent", "three")
	st.run("emit-log-topic", "app.notification.sms.sent.late", "four")
	st.await(sms, received, 3)
	st.await(sent, received, 2)
	st.show(sms)
	st.show(sent)
	st.check("# is any number of words, none too", bodiesOf(sms, received), []string{
		"'app.notification.sms':'one'", "'app.notification.sms.sent':'three'", "'app.notification.sms.sent.late':'four'"})
	st.check("* is one word", bodiesOf(sent, received), []string{
		"'app.notification.email.sent':'two'", "'app.notification.sms.sent':'three'"})
}
