/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
struct pair {
    int a, b;
};
int walk(int n, struct pair *out)
{
    for (int i = 0; i < n; i++)
        while (n > 3)
            if (n > 4)
                do
                    n--;
                while (n);
            else if (n > 7)
                n = 2;
            else if (n > 8)
                n = 3;
            else if (n > 9)
                n = 4;
    if (n)
        for_each_thing(n, out)
        {
            *out = (struct pair){.a = n, .b = (int){3}};
        }
    return n;
}
