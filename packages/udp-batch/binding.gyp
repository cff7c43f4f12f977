{
  "targets": [
    {
      "target_name": "udp_batch",
      "sources": ["native/udp-batch.c"],
      "cflags": ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter"],
    }
  ]
}
