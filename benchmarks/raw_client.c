/* The ceiling: one publisher and one subscriber on plain sockets, as many messages in flight as WINDOW.
 *
 * usage: raw_client PORT QOS PAYLOAD_BYTES MESSAGES WINDOW; prints messages per second through the broker.
 * MQTT 3.1.1; QoS 0 or 1; QoS 1 waits for every PUBACK on both legs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "bench/raw/client/topic"
#define BUFFER (1 << 20)

struct peer {
    int fd;
    unsigned char in[BUFFER], out[BUFFER];
    size_t in_len, out_len;
};

static struct peer publisher, subscriber;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void dial(struct peer *p, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&at, sizeof at)) die("connect");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void put(struct peer *p, const void *data, size_t n) {
    memcpy(p->out + p->out_len, data, n);
    p->out_len += n;
}

static void flush_some(struct peer *p) {
    size_t done = 0;
    while (done < p->out_len) {
        ssize_t n = write(p->fd, p->out + done, p->out_len - done);
        if (n < 0) {
            if (errno == EAGAIN) break;
            die("write");
        }
        done += (size_t)n;
    }
    memmove(p->out, p->out + done, p->out_len - done);
    p->out_len -= done;
}

static void hello(struct peer *p, char letter) {
    unsigned char packet[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, (unsigned char)letter};
    unsigned char answer[4];
    if (write(p->fd, packet, sizeof packet) != (ssize_t)sizeof packet) die("write");
    if (read(p->fd, answer, 4) != 4 || answer[3] != 0) die("connack");
}

/* Calls handle for every whole frame that has come in. */
static void receive(struct peer *p, void (*handle)(const unsigned char *body, size_t n, unsigned char type)) {
    ssize_t n = read(p->fd, p->in + p->in_len, BUFFER - p->in_len);
    if (n == 0 || (n < 0 && errno != EAGAIN)) die("read");
    if (n > 0) p->in_len += (size_t)n;
    size_t at = 0;
    for (;;) {
        size_t length = 0, shift = 0, head = 1;
        while (at + head < p->in_len) {
            unsigned char byte = p->in[at + head++];
            length |= (size_t)(byte & 127) << shift;
            shift += 7;
            if (!(byte & 128)) goto whole;
        }
        break;
    whole:
        if (at + head + length > p->in_len) break;
        handle(p->in + at + head, length, p->in[at]);
        at += head + length;
    }
    memmove(p->in, p->in + at, p->in_len - at);
    p->in_len -= at;
}

static long arrived, acknowledged;

static void on_publisher(const unsigned char *body, size_t n, unsigned char type) {
    (void)body, (void)n;
    if (type >> 4 == 4) acknowledged++;
}

static void on_subscriber(const unsigned char *body, size_t n, unsigned char type) {
    (void)n;
    if (type >> 4 != 3) return;
    arrived++;
    if (type & 2) {
        size_t id = 2 + ((size_t)body[0] << 8 | body[1]);
        unsigned char ack[] = {0x40, 2, body[id], body[id + 1]};
        put(&subscriber, ack, sizeof ack);
    }
}

static void put_publish(int qos, size_t payload, unsigned id) {
    size_t topic = strlen(TOPIC), rest = 2 + topic + (qos ? 2 : 0) + payload;
    unsigned char head[5] = {(unsigned char)(0x30 | qos << 1)};
    size_t n = 1;
    do {
        head[n] = rest & 127;
        rest >>= 7;
        if (rest) head[n] |= 128;
        n++;
    } while (rest);
    put(&publisher, head, n);
    unsigned char length[2] = {0, (unsigned char)topic}, ident[2] = {(unsigned char)(id >> 8), (unsigned char)id};
    put(&publisher, length, 2);
    put(&publisher, TOPIC, topic);
    if (qos) put(&publisher, ident, 2);
    memset(publisher.out + publisher.out_len, 'x', payload);
    publisher.out_len += payload;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: %s PORT QOS PAYLOAD_BYTES MESSAGES WINDOW\n", argv[0]), 2;
    int port = atoi(argv[1]), qos = atoi(argv[2]);
    size_t payload = (size_t)atol(argv[3]);
    long messages = atol(argv[4]), window = atol(argv[5]), sent = 0;
    dial(&publisher, port);
    dial(&subscriber, port);
    hello(&publisher, 'p');
    hello(&subscriber, 's');
    unsigned char ask[64] = {0x82, (unsigned char)(5 + strlen(TOPIC)), 0, 1, 0, (unsigned char)strlen(TOPIC)};
    memcpy(ask + 6, TOPIC, strlen(TOPIC));
    ask[6 + strlen(TOPIC)] = (unsigned char)qos;
    unsigned char suback[5];
    if (write(subscriber.fd, ask, 7 + strlen(TOPIC)) < 0 || read(subscriber.fd, suback, 5) != 5) die("suback");
    fcntl(publisher.fd, F_SETFL, O_NONBLOCK);
    fcntl(subscriber.fd, F_SETFL, O_NONBLOCK);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    while (arrived < messages || (qos && acknowledged < messages)) {
        while (sent < messages && sent - arrived < window && publisher.out_len < BUFFER / 2)
            put_publish(qos, payload, (unsigned)(++sent % 65535 + 1));
        flush_some(&publisher);
        struct pollfd both[2] = {{publisher.fd, POLLIN | (publisher.out_len ? POLLOUT : 0), 0},
                                 {subscriber.fd, POLLIN | (subscriber.out_len ? POLLOUT : 0), 0}};
        if (poll(both, 2, 10000) <= 0) die("nothing came for ten seconds");
        if (both[0].revents & POLLIN) receive(&publisher, on_publisher);
        if (both[1].revents & POLLIN) receive(&subscriber, on_subscriber);
        flush_some(&subscriber);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    printf("%.0f\n", (double)messages / seconds);
    return 0;
}
