for (;;) continue;
