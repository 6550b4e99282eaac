// A static variable of an inline function is STB_GNU_UNIQUE.
template <class T> struct Counter { static int count; };
template <class T> int Counter<T>::count = 7;
int *counter() { return &Counter<long>::count; }
