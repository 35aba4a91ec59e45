/* SPDX-License-Identifier: MIT */
/* The event queue of a job. */
#include "job/job_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct event_node {
    struct event_node *next;
    struct kiln_event event;
    char text[];
};

bool kiln_event_queue_init(struct kiln_event_queue *queue)
{
    pthread_condattr_t attr;

    memset(queue, 0, sizeof *queue);
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->reserve = calloc(1, sizeof *queue->reserve);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->arrived, &attr);
    pthread_condattr_destroy(&attr);
    return queue->fd >= 0 && queue->reserve != NULL;
}

void kiln_event_queue_dispose(struct kiln_event_queue *queue)
{
    while (queue->first != NULL) {
        struct event_node *next = queue->first->next;

        free(queue->first);
        queue->first = next;
    }
    free(queue->taken);
    free(queue->reserve);
    if (queue->fd >= 0)
        close(queue->fd);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->arrived);
}

/* Progress comes faster than it is drawn: the newest replaces one that still waits. */
static bool coalesce(struct kiln_event_queue *queue, const struct kiln_event *event)
{
    struct event_node *last = queue->last;

    if (event->kind != KILN_EVENT_PROGRESS || last == NULL ||
        last->event.kind != KILN_EVENT_PROGRESS || last->event.phase != event->phase)
        return false;
    last->event.done = event->done;
    last->event.total = event->total;
    last->event.time_ms = event->time_ms;
    return true;
}

static void append(struct kiln_event_queue *queue, struct event_node *node)
{
    uint64_t one = 1;

    node->next = NULL;
    if (queue->last != NULL)
        queue->last->next = node;
    else
        queue->first = node;
    queue->last = node;
    if (write(queue->fd, &one, sizeof one) < 0 && errno != EAGAIN)
        pthread_cond_broadcast(&queue->arrived); /* an eventfd fails only when it is full */
    pthread_cond_signal(&queue->arrived);
}

void kiln_event_queue_put(struct kiln_event_queue *queue, const struct kiln_event *event)
{
    size_t length = event->text != NULL ? strlen(event->text) + 1 : 0;
    struct event_node *node;

    pthread_mutex_lock(&queue->lock);
    if (!coalesce(queue, event)) {
        if (event->kind == KILN_EVENT_RESULT) {
            node = queue->reserve;
            queue->reserve = NULL;
        } else {
            node = malloc(sizeof *node + length);
        }
        if (node != NULL) {
            node->event = *event;
            if (length > 0) {
                memcpy(node->text, event->text, length);
                node->event.text = node->text;
            }
            append(queue, node);
        }
    }
    pthread_mutex_unlock(&queue->lock);
}

static void wait_for_event(struct kiln_event_queue *queue, uint32_t timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (queue->first == NULL)
        if (pthread_cond_timedwait(&queue->arrived, &queue->lock, &until) != 0)
            return;
}

bool kiln_event_queue_take(struct kiln_event_queue *queue, struct kiln_event *out_event,
                           uint32_t timeout_ms)
{
    struct event_node *node;
    uint64_t count;

    pthread_mutex_lock(&queue->lock);
    if (queue->first == NULL && timeout_ms > 0 && !queue->ended)
        wait_for_event(queue, timeout_ms);
    node = queue->first;
    if (node != NULL) {
        queue->first = node->next;
        if (queue->first == NULL) {
            queue->last = NULL;
            while (read(queue->fd, &count, sizeof count) > 0)
                continue;
        }
        free(queue->taken);
        queue->taken = node;
        *out_event = node->event;
        queue->ended = node->event.kind == KILN_EVENT_RESULT;
    }
    pthread_mutex_unlock(&queue->lock);
    return node != NULL;
}
